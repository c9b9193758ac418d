//! A walk over JSON text that checks it strictly and builds nothing.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;

use crate::decode::without_lone_surrogates;
use crate::payload::Flaw;

/// How deep arrays and objects may nest, as in Ruby.
pub const MAX_DEPTH: usize = 100;
/// How long a number's whole part may be. Python reads no longer integers, and a job that cannot be read is no job.
const MAX_DIGITS: usize = 4300;

/// Reads `text` from left to right.
pub struct Walker<'a> {
    text: &'a [u8],
    pub position: usize,
}

impl<'a> Walker<'a> {
    /// Fails when the text is not UTF-8.
    pub fn new(text: &'a [u8]) -> Result<Self, Flaw> {
        match std::str::from_utf8(text) {
            Ok(_) => Ok(Self { text, position: 0 }),
            Err(error) => Err(Flaw::NotJson(format!("not UTF-8 at byte {}", error.valid_up_to()))),
        }
    }

    /// Skips white space; the byte that follows, not yet consumed.
    pub fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.text.get(self.position) {
            match byte {
                b' ' | b'\n' | b'\r' | b'\t' => self.position += 1,
                byte => return Some(*byte),
            }
        }
        None
    }

    pub fn expect(&mut self, byte: u8) -> Result<(), Flaw> {
        if self.peek() == Some(byte) {
            self.position += 1;
            return Ok(());
        }
        Err(self.wrong(&format!("expected {:?}", char::from(byte))))
    }

    /// After the one value nothing but white space may follow.
    pub fn finish(&mut self) -> Result<(), Flaw> {
        if self.peek().is_none() { Ok(()) } else { Err(self.wrong("something follows the value")) }
    }

    /// Steps over a value that lies `depth` deep; its span.
    pub fn value(&mut self, depth: usize) -> Result<Range<usize>, Flaw> {
        let first = self.peek();
        let start = self.position;
        match first {
            Some(b'"') => {
                self.string()?;
            }
            Some(b'{') => self.object(depth + 1)?,
            Some(b'[') => self.array(depth + 1)?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word(b"true")?,
            Some(b'f') => self.word(b"false")?,
            Some(b'n') => self.word(b"null")?,
            _ => return Err(self.wrong("expected a value")),
        }
        Ok(start..self.position)
    }

    /// Steps over a string; its span, quotes included.
    pub fn string(&mut self) -> Result<Range<usize>, Flaw> {
        self.expect(b'"')?;
        let start = self.position - 1;
        loop {
            self.position += plain_prefix(self.text.get(self.position..).unwrap_or_default());
            match self.text.get(self.position) {
                Some(b'"') => {
                    self.position += 1;
                    return Ok(start..self.position);
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(self.wrong("a raw control character in a string")),
                None => return Err(self.wrong("a string without end")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Flaw> {
        let rest = &self.text[self.position + 1..];
        match rest.first() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.position += 2,
            Some(b'u') if rest.len() >= 5 && rest[1..5].iter().all(u8::is_ascii_hexdigit) => {
                self.position += 6;
            }
            _ => return Err(self.wrong("an unknown escape")),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Flaw> {
        if self.text[self.position] == b'-' {
            self.position += 1;
        }
        if self.text.get(self.position) == Some(&b'0') {
            self.position += 1;
        } else if self.digits()? > MAX_DIGITS {
            return Err(self.wrong("a number of more than 4,300 digits"));
        }
        if self.text.get(self.position) == Some(&b'.') {
            self.position += 1;
            self.digits()?;
        }
        if matches!(self.text.get(self.position), Some(b'e' | b'E')) {
            self.position += 1;
            if matches!(self.text.get(self.position), Some(b'+' | b'-')) {
                self.position += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<usize, Flaw> {
        let count = self.text[self.position..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.position += count;
        if count > 0 { Ok(count) } else { Err(self.wrong("expected a digit")) }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Flaw> {
        if !self.text[self.position..].starts_with(word) {
            return Err(self.wrong("expected a value"));
        }
        self.position += word.len();
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), Flaw> {
        self.open(b'[', depth)?;
        if self.closes(b']') {
            return Ok(());
        }
        loop {
            self.value(depth)?;
            if !self.goes_on(b']')? {
                return Ok(());
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), Flaw> {
        self.open(b'{', depth)?;
        if self.closes(b'}') {
            return Ok(());
        }
        loop {
            self.peek();
            self.string()?;
            self.expect(b':')?;
            self.value(depth)?;
            if !self.goes_on(b'}')? {
                return Ok(());
            }
        }
    }

    fn open(&mut self, bracket: u8, depth: usize) -> Result<(), Flaw> {
        if depth > MAX_DEPTH {
            return Err(Flaw::TooDeep);
        }
        self.expect(bracket)
    }

    /// Whether the container ends at once.
    pub fn closes(&mut self, bracket: u8) -> bool {
        let closes = self.peek() == Some(bracket);
        self.position += usize::from(closes);
        closes
    }

    /// After an element: true at a comma, false at the closing bracket.
    pub fn goes_on(&mut self, bracket: u8) -> Result<bool, Flaw> {
        if self.peek() == Some(b',') {
            self.position += 1;
            return Ok(true);
        }
        self.expect(bracket).map(|()| false)
    }

    /// Steps over a value and notes the members whose key comes again in the same object.
    fn repeated(&mut self, depth: usize, spans: &mut Vec<Range<usize>>) -> Result<(), Flaw> {
        let text = self.text;
        match self.peek() {
            Some(b'{') => {
                self.open(b'{', depth + 1)?;
                let mut seen: HashMap<Cow<'a, str>, Range<usize>> = HashMap::new();
                let mut goes_on = !self.closes(b'}');
                while goes_on {
                    self.peek();
                    let start = self.position;
                    let key = self.string()?;
                    self.expect(b':')?;
                    self.repeated(depth + 1, spans)?;
                    goes_on = self.goes_on(b'}')?;
                    // One that is followed by its like is followed by a comma, which goes with it.
                    spans.extend(seen.insert(unescape(&text[key]), start..self.position));
                }
            }
            Some(b'[') => {
                self.open(b'[', depth + 1)?;
                let mut goes_on = !self.closes(b']');
                while goes_on {
                    self.repeated(depth + 1, spans)?;
                    goes_on = self.goes_on(b']')?;
                }
            }
            _ => {
                self.value(depth)?;
            }
        }
        Ok(())
    }

    pub fn wrong(&self, what: &str) -> Flaw {
        Flaw::NotJson(format!("{what} at byte {}", self.position))
    }
}

/// JSON that Ruby reads too, where it would not read this one though `Walker` does: of a key that comes twice in an object the last one
/// stays, as Python reads it, and a surrogate without its partner becomes U+FFFD. None when there is nothing to change, or no JSON.
pub fn plain(text: &[u8]) -> Option<Vec<u8>> {
    let text = without_lone_surrogates(text);
    let mut walker = Walker::new(&text).ok()?;
    let mut repeated = Vec::new();
    walker.repeated(0, &mut repeated).ok()?;
    walker.finish().ok()?;
    if repeated.is_empty() {
        return if let Cow::Owned(text) = text { Some(text) } else { None };
    }
    repeated.sort_by_key(|span| (span.start, Reverse(span.end)));
    let mut out = Vec::with_capacity(text.len());
    let mut position = 0;
    for span in repeated {
        // Else it has gone already, inside of another.
        if span.start >= position {
            out.extend_from_slice(&text[position..span.start]);
            position = span.end;
        }
    }
    out.extend_from_slice(&text[position..]);
    Some(out)
}

/// How many bytes at the start of `text` are neither quote, backslash nor control character; looked at eight by eight, since most strings
/// of a payload are longer than that.
fn plain_prefix(text: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // The high bit of each byte that is zero (and of some after it, which does not matter: the first one counts).
    let zeroes = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, rest) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quote = zeroes(word ^ (ONES * u64::from(b'"')));
        let backslash = zeroes(word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let special = quote | backslash | control;
        if special != 0 {
            return index * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    text.len() - rest.len() + rest.iter().position(special).unwrap_or(rest.len())
}

/// The text between the quotes of a checked JSON string. A surrogate without its partner becomes U+FFFD.
pub fn unescape(quoted: &[u8]) -> Cow<'_, str> {
    let inner = &quoted[1..quoted.len() - 1];
    if memchr::memchr(b'\\', inner).is_none() {
        return String::from_utf8_lossy(inner);
    }
    let mut text = Vec::with_capacity(inner.len());
    let mut position = 0;
    while position < inner.len() {
        if inner[position] == b'\\' {
            let (letter, length) = unescape_one(&inner[position..]);
            text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            position += length;
        } else {
            text.push(inner[position]);
            position += 1;
        }
    }
    Cow::Owned(String::from_utf8_lossy(&text).into_owned())
}

/// The character that the escape at the start of `text` stands for, and the escape's length.
fn unescape_one(text: &[u8]) -> (char, usize) {
    let letter = match text.get(1) {
        Some(b'u') => return unescape_unicode(text),
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(byte) => char::from(*byte),
        None => char::REPLACEMENT_CHARACTER,
    };
    (letter, 2)
}

fn unescape_unicode(text: &[u8]) -> (char, usize) {
    let first = hex4(text).unwrap_or(0xfffd);
    if (0xd800..0xdc00).contains(&first)
        && let Some(second @ 0xdc00..0xe000) = hex4(text.get(6..).unwrap_or_default())
    {
        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12);
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 6)
}

/// The number in a `\uXXXX` at the start of `text`.
pub fn hex4(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
