//! The connection before this one: what may still run under it is ended before its successor goes on.

use crate::connection::Connection;
use crate::error::Result;
use crate::resp::Reply;

/// A connection as the server knows it: a client id, and the server's run, since ids begin anew with a restart.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Client {
    pub id: i64,
    run: Option<String>,
}

impl Client {
    /// Ends what is left of `before` at the same run of the same server, and answers who `connection` is. A command delayed on its way
    /// must not claim for nobody; where the server forbids to kill or to ask, the regular check of our lists finds such jobs.
    pub fn succeed(before: &Self, connection: &mut Connection) -> Result<Self> {
        let now = Self { id: connection.client_id()?, run: run_id(connection)? };
        if before.id > 0 && before.run.is_some() && before.run == now.run {
            match connection.command(&[b"CLIENT", b"KILL", b"ID", before.id.to_string().as_bytes()]) {
                Err(error) if error.is_connection() => return Err(error),
                _ => {}
            }
        }
        Ok(now)
    }
}

fn run_id(connection: &mut Connection) -> Result<Option<String>> {
    let info = match connection.command(&[b"INFO", b"server"]) {
        Err(error) if error.is_connection() => return Err(error),
        Err(_) => return Ok(None),
        Ok(reply) => Reply::bytes(reply).unwrap_or_default(),
    };
    let info = String::from_utf8_lossy(&info);
    Ok(info.lines().find_map(|line| line.strip_prefix("run_id:")).map(|id| id.trim().to_owned()))
}
