//! The form of times in payloads: whole milliseconds since Sidekiq 8, float seconds before.

use crate::error::{Error, Result};
use crate::floats::write_float;

/// Whose readers must understand what is written here; None = Sidekiq 8's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compat {
    Sidekiq7,
}

impl Compat {
    pub fn parse(word: Option<&str>) -> Result<Option<Self>> {
        match word {
            None => Ok(None),
            Some("sidekiq7") => Ok(Some(Self::Sidekiq7)),
            Some(other) => Err(Error::Config(format!("compat must be None or \"sidekiq7\", not {other:?}"))),
        }
    }

    /// Writes a time in epoch milliseconds as `compat` has it.
    pub fn write_time(out: &mut Vec<u8>, compat: Option<Self>, ms: i64) {
        match compat {
            None => out.extend_from_slice(itoa::Buffer::new().format(ms).as_bytes()),
            Some(Self::Sidekiq7) => write_float(out, ms as f64 / 1000.0),
        }
    }

    pub fn time(compat: Option<Self>, ms: i64) -> Vec<u8> {
        let mut out = Vec::new();
        Self::write_time(&mut out, compat, ms);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_floats_even_when_they_are_whole() {
        let time = |compat, ms| String::from_utf8(Compat::time(compat, ms)).unwrap();
        assert_eq!(time(None, 1_795_305_947_963), "1795305947963");
        assert_eq!(time(Some(Compat::Sidekiq7), 1_795_305_947_963), "1795305947.963");
        assert_eq!(time(Some(Compat::Sidekiq7), 1_795_305_947_000), "1795305947.0");
    }
}
