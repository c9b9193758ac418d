//! Redis's wire protocol: commands out, replies in.
//!
//! Replies are read in two steps. `Scanner` walks what has arrived and says when one reply is whole; it
//! remembers where it stopped, so that a reply of many reads costs one walk. `decode` then makes a `Reply` of it.
//! Nothing is allocated on the word of a length that the other side merely claims.

use crate::error::{Error, Result};

/// Redis's own limit on one string.
const MAX_BULK: usize = 512 << 20;
/// The most one reply may take, all its strings together.
const MAX_REPLY: usize = 1 << 30;
/// The most elements of one reply, all its arrays together: each takes 48 bytes here, and as few as 3 on the wire.
const MAX_ELEMENTS: usize = 1 << 22;
const MAX_DEPTH: usize = 16;
/// The longest line of a status, error or number.
const MAX_LINE: usize = 64 << 10;

/// One reply of Redis.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    Nil,
    Status(String),
    Int(i64),
    Bulk(Vec<u8>),
    Array(Vec<Reply>),
    Error { code: String, message: String },
}

impl Reply {
    /// An error reply becomes `Err`.
    pub fn into_result(self) -> Result<Self> {
        match self {
            Self::Error { code, message } => Err(Error::Reply { code, message }),
            reply => Ok(reply),
        }
    }

    /// The integer, also when it came as text.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            reply => reply.as_str()?.parse().ok(),
        }
    }

    /// The bytes of a string or status.
    pub fn bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Bulk(bytes) => Some(bytes),
            Self::Status(text) => Some(text.into_bytes()),
            _ => None,
        }
    }

    pub fn array(self) -> Option<Vec<Self>> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The text of a string or status, when it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Bulk(bytes) => std::str::from_utf8(bytes).ok(),
            Self::Status(text) => Some(text),
            _ => None,
        }
    }
}

/// Finds the end of one reply in bytes that arrive piece by piece.
#[derive(Default)]
pub struct Scanner {
    position: usize,
    /// How many elements each open array still wants, outermost first.
    open: [usize; MAX_DEPTH],
    depth: usize,
    elements: usize,
}

impl Scanner {
    pub fn new() -> Self {
        Self::default()
    }

    /// The length of the reply at the start of `bytes` once it is whole. `bytes` may only have grown since the last call.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<Option<usize>> {
        loop {
            let Some((header, body)) = header(bytes, self.position)? else {
                return Ok(None);
            };
            let end = match header {
                Header::Line | Header::Array(0) => body,
                Header::Bulk(length) if bytes.len() < body + length + 2 => {
                    return bounded(body + length);
                }
                Header::Bulk(length) => bulk_end(bytes, body + length)?,
                Header::Array(count) => {
                    if self.depth == MAX_DEPTH {
                        return Err(protocol("a reply nested too deep"));
                    }
                    self.elements += count;
                    if self.elements > MAX_ELEMENTS {
                        return Err(protocol("a reply of more than four million elements"));
                    }
                    self.open[self.depth] = count;
                    self.depth += 1;
                    self.position = body;
                    continue;
                }
            };
            self.position = end;
            bounded(end)?;
            if self.close() {
                return Ok(Some(end));
            }
        }
    }

    /// Counts one finished element; true when that was the whole reply.
    fn close(&mut self) -> bool {
        while self.depth > 0 {
            let open = &mut self.open[self.depth - 1];
            *open -= 1;
            if *open > 0 {
                return false;
            }
            self.depth -= 1;
        }
        true
    }
}

enum Header {
    /// Whole with its line.
    Line,
    Bulk(usize),
    Array(usize),
}

/// Reads the line at `start`: what it announces, and where what follows begins.
fn header(bytes: &[u8], start: usize) -> Result<Option<(Header, usize)>> {
    let Some((kind, line, next)) = line(bytes, start)? else {
        return Ok(None);
    };
    let header = match kind {
        b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => Header::Line,
        b'$' | b'=' | b'!' => length(line, MAX_BULK)?.map_or(Header::Line, Header::Bulk),
        b'*' | b'~' | b'>' => length(line, MAX_ELEMENTS)?.map_or(Header::Line, Header::Array),
        b'%' => length(line, MAX_ELEMENTS / 2)?.map_or(Header::Line, |pairs| Header::Array(pairs * 2)),
        _ => return Err(protocol("a reply of an unknown type")),
    };
    Ok(Some((header, next)))
}

/// The type byte, the rest of the line, and the start of the next one.
fn line(bytes: &[u8], start: usize) -> Result<Option<(u8, &[u8], usize)>> {
    let rest = bytes.get(start..).unwrap_or_default();
    let Some(&kind) = rest.first() else {
        return Ok(None);
    };
    let window = &rest[..rest.len().min(MAX_LINE)];
    match memchr::memchr(b'\n', window) {
        Some(end) if end >= 2 && window[end - 1] == b'\r' => Ok(Some((kind, &window[1..end - 1], start + end + 1))),
        Some(_) => Err(protocol("a line without its carriage return")),
        None if window.len() == MAX_LINE => Err(protocol("an endless line")),
        // Garbage is told from a slow reply at once, not after the timeout.
        None if !b"+-:_,#($=!*~>%".contains(&kind) => Err(protocol("a reply of an unknown type")),
        None => Ok(None),
    }
}

/// A length; `None` for the -1 that RESP2 writes for nil.
fn length(digits: &[u8], limit: usize) -> Result<Option<usize>> {
    if digits == b"-1" {
        return Ok(None);
    }
    let number = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    match number.and_then(|text| text.parse::<usize>().ok()) {
        Some(value) if value <= limit => Ok(Some(value)),
        _ => Err(protocol("a length that makes no sense")),
    }
}

fn bulk_end(bytes: &[u8], end: usize) -> Result<usize> {
    if &bytes[end..end + 2] == b"\r\n" {
        Ok(end + 2)
    } else {
        Err(protocol("a string that does not end where it says"))
    }
}

fn bounded(size: usize) -> Result<Option<usize>> {
    if size > MAX_REPLY { Err(protocol("a reply of more than 1 GiB")) } else { Ok(None) }
}

fn protocol(what: &str) -> Error {
    Error::Protocol(what.to_owned())
}

/// Makes a `Reply` of the whole reply that `Scanner` found.
pub fn decode(bytes: &[u8]) -> Result<Reply> {
    let mut position = 0;
    decode_at(bytes, &mut position, 0)
}

fn decode_at(bytes: &[u8], position: &mut usize, depth: usize) -> Result<Reply> {
    let whole = || protocol("a reply cut short");
    let (kind, text, body) = line(bytes, *position)?.ok_or_else(whole)?;
    let (header, _) = header(bytes, *position)?.ok_or_else(whole)?;
    *position = body;
    match header {
        Header::Line => simple(kind, text),
        Header::Bulk(length) => {
            *position = body + length + 2;
            let content = bytes.get(body..body + length).ok_or_else(whole)?;
            Ok(match kind {
                b'!' => error_reply(content),
                // Verbatim strings begin with their format: "txt:".
                b'=' => Reply::Bulk(content.get(4..).unwrap_or_default().to_vec()),
                _ => Reply::Bulk(content.to_vec()),
            })
        }
        Header::Array(_) if depth == MAX_DEPTH => Err(protocol("a reply nested too deep")),
        Header::Array(count) => {
            let mut items = Vec::with_capacity(count.min(bytes.len() / 3 + 1));
            for _ in 0..count {
                items.push(decode_at(bytes, position, depth + 1)?);
            }
            Ok(Reply::Array(items))
        }
    }
}

fn simple(kind: u8, text: &[u8]) -> Result<Reply> {
    Ok(match kind {
        b'+' => Reply::Status(String::from_utf8_lossy(text).into_owned()),
        b'-' => error_reply(text),
        b':' => Reply::Int(integer(text)?),
        b'#' => Reply::Int(i64::from(text == b"t")),
        b',' | b'(' => Reply::Bulk(text.to_vec()),
        _ => Reply::Nil,
    })
}

fn integer(text: &[u8]) -> Result<i64> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| protocol("an integer that is none"))
}

fn error_reply(text: &[u8]) -> Reply {
    let text = String::from_utf8_lossy(text);
    let (code, message) = text.split_once(' ').unwrap_or((&text, ""));
    Reply::Error { code: code.to_owned(), message: message.to_owned() }
}

/// Commands encoded one after the other, to be sent in one write.
#[derive(Default, Clone)]
pub struct Pipeline {
    bytes: Vec<u8>,
    len: usize,
}

impl Pipeline {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn command(&mut self, words: &[&[u8]]) -> &mut Self {
        self.begin(words.len());
        for word in words {
            self.word(word);
        }
        self
    }

    /// Begins a command of `words` words, each to be given by `word`.
    pub fn begin(&mut self, words: usize) {
        self.number(b'*', words);
        self.len += 1;
    }

    pub fn word(&mut self, word: &[u8]) {
        self.number(b'$', word.len());
        self.bytes.extend_from_slice(word);
        self.bytes.extend_from_slice(b"\r\n");
    }

    fn number(&mut self, kind: u8, value: usize) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// How many commands, and so replies.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.len = 0;
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
#[path = "resp_tests.rs"]
mod tests;
