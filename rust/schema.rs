//! Whether this version knows how another process wrote what it left behind.
//!
//! A version reads its own schema and those before it. Of a newer one it knows nothing: a process that wrote it is neither
//! fenced nor swept here, however dead it looks, but left to those who can. What it pushed, retries and has scheduled is
//! Sidekiq's layout and anybody's.

use std::collections::HashSet;

use crate::connection::Connection;
use crate::error::Result;
use crate::events::WARNING;
use crate::keys;
use crate::shared::Core;

/// The schemas we have met and do not know, each to be said once.
#[derive(Default)]
pub struct Strangers {
    said: HashSet<String>,
}

impl Strangers {
    /// Whether we may recover this dead process.
    pub fn knows(&mut self, core: &Core, connection: &mut Connection, id: &str) -> Result<bool> {
        let Some(schema) = newer(connection, id)? else {
            return Ok(true);
        };
        if self.said.insert(schema.clone()) {
            let ours = keys::SCHEMA;
            core.events.log(
                WARNING,
                format!(
                    "process {id} is gone and has left jobs in a layout (schema {schema}) that this version, of schema \
                     {ours}, does not know: they wait for a process of its own version"
                ),
            );
        }
        Ok(false)
    }
}

/// The schema of a process's record, when this version does not know it. A record that is missing was written by nobody newer, or has
/// been taken away by somebody who could.
pub fn newer(connection: &mut Connection, id: &str) -> Result<Option<String>> {
    let reply = connection.command(&[b"HGET", &keys::process(id), b"schema"])?;
    Ok(reply.as_str().filter(|schema| !is_known(schema)).map(str::to_owned))
}

fn is_known(schema: &str) -> bool {
    match (schema.parse::<u32>(), keys::SCHEMA.parse::<u32>()) {
        (Ok(theirs), Ok(ours)) => theirs <= ours,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_newer_or_no_number_is_not_known() {
        assert!(is_known(keys::SCHEMA));
        assert!(is_known("0"));
        for schema in ["2", "10", "", "1.5", "-1", "one", "99999999999"] {
            assert!(!is_known(schema), "{schema}");
        }
    }
}
