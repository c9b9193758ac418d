//! Lua scripts: called by digest, sent whole only to a server that does not know them.

use std::borrow::Borrow;
use std::sync::OnceLock;

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::resp::{Pipeline, Reply};

/// One Lua script.
pub struct Script {
    pub name: &'static str,
    pub source: &'static str,
    sha: OnceLock<String>,
}

impl Script {
    pub const fn new(name: &'static str, source: &'static str) -> Self {
        Self { name, source, sha: OnceLock::new() }
    }

    /// The digest by which Redis knows it.
    pub fn sha(&self) -> &str {
        self.sha.get_or_init(|| sha1_smol::Sha1::from(self.source).digest().to_string())
    }

    /// Adds a call by digest.
    pub fn add_to(&self, pipeline: &mut Pipeline, keys: &[&[u8]], args: &[&[u8]]) {
        add(pipeline, b"EVALSHA", self.sha(), keys, args);
    }

    /// Adds a call that carries the source.
    pub fn add_whole_to(&self, pipeline: &mut Pipeline, keys: &[&[u8]], args: &[&[u8]]) {
        add(pipeline, b"EVAL", self.source, keys, args);
    }

    /// Calls it; an error reply becomes `Err`.
    pub fn run(&self, connection: &mut Connection, keys: &[&[u8]], args: &[&[u8]]) -> Result<Reply> {
        let mut pipeline = Pipeline::new();
        self.add_to(&mut pipeline, keys, args);
        connection.send(pipeline.bytes())?;
        let reply = connection.receive()?;
        if !is_unknown(&reply) {
            return self.named(reply);
        }
        pipeline.clear();
        self.add_whole_to(&mut pipeline, keys, args);
        connection.send(pipeline.bytes())?;
        let reply = connection.receive()?;
        self.named(reply)
    }

    /// An error says which script it came from.
    fn named(&self, reply: Reply) -> Result<Reply> {
        reply.into_result().map_err(|error| match error {
            Error::Reply { code, message } => {
                Error::Reply { code, message: format!("{message} (script {})", self.name) }
            }
            other => other,
        })
    }
}

fn add(pipeline: &mut Pipeline, command: &[u8], script: &str, keys: &[&[u8]], args: &[&[u8]]) {
    pipeline.begin(3 + keys.len() + args.len());
    pipeline.word(command);
    pipeline.word(script.as_bytes());
    pipeline.word(itoa::Buffer::new().format(keys.len()).as_bytes());
    for word in keys.iter().chain(args) {
        pipeline.word(word);
    }
}

/// The server does not know the script that was called by its digest.
pub fn is_unknown(reply: &Reply) -> bool {
    matches!(reply, Reply::Error { code, .. } if code == "NOSCRIPT")
}

/// One entry of a pipeline that may hold scripts.
pub enum Call {
    Script { script: &'static Script, keys: Vec<Vec<u8>>, args: Vec<Vec<u8>> },
    Command(Vec<Vec<u8>>),
}

impl Call {
    fn add_to(&self, pipeline: &mut Pipeline, whole: bool) {
        match self {
            Self::Command(words) => {
                pipeline.command(&borrowed(words));
            }
            Self::Script { script, keys, args } if whole => {
                script.add_whole_to(pipeline, &borrowed(keys), &borrowed(args));
            }
            Self::Script { script, keys, args } => {
                script.add_to(pipeline, &borrowed(keys), &borrowed(args));
            }
        }
    }
}

fn borrowed(words: &[Vec<u8>]) -> Vec<&[u8]> {
    words.iter().map(Vec::as_slice).collect()
}

/// Sends all calls in one write; with `whole` the scripts' sources too. As many replies follow, in their order.
pub fn send(connection: &mut Connection, calls: &[impl Borrow<Call>], whole: bool) -> Result<()> {
    let mut pipeline = Pipeline::new();
    for call in calls {
        call.borrow().add_to(&mut pipeline, whole);
    }
    connection.send(pipeline.bytes())
}

/// All calls in one trip; error replies stay among the replies. Scripts the server did not know are sent again whole,
/// in their order, in a second trip: they run after the others then, so no call may rely on an earlier script's effect.
pub fn run_pipeline(connection: &mut Connection, calls: &[impl Borrow<Call>]) -> Result<Vec<Reply>> {
    send(connection, calls, false)?;
    let mut replies = connection.receive_all(calls.len())?;
    let unknown: Vec<usize> = (0..replies.len()).filter(|index| is_unknown(&replies[*index])).collect();
    if unknown.is_empty() {
        return Ok(replies);
    }
    let again: Vec<&Call> = unknown.iter().map(|index| calls[*index].borrow()).collect();
    send(connection, &again, true)?;
    for (index, reply) in unknown.into_iter().zip(connection.receive_all(again.len())?) {
        replies[index] = reply;
    }
    Ok(replies)
}
