//! What reads bytes from Redis or from users, each reader with what must hold whatever the bytes are.
//!
//! A target takes any bytes and panics when something does not hold. `driver.rs` runs them all on a stable compiler
//! (`cargo test`, `make fuzz`), `fuzz/` the same ones guided by coverage.
#![allow(clippy::missing_panics_doc, clippy::panic, reason = "that is what they are for")]

mod names;
mod recurring;
mod text;
mod wire;

#[cfg(test)]
mod driver;
#[cfg(test)]
mod inputs;
#[cfg(test)]
mod meter;

pub type Target = fn(&[u8]);

/// By name; a seed of a crash lies in `tests/fuzz/seeds/<name>/`.
pub const TARGETS: [(&str, Target); 11] = [
    ("payload", text::payload),
    ("json", text::json),
    ("strings", text::strings),
    ("floats", text::floats),
    ("resp", wire::resp),
    ("claims", wire::claims),
    ("due", wire::due),
    ("url", names::url),
    ("records", names::records),
    ("requests", wire::requests),
    ("definitions", recurring::definitions),
];

/// For `fuzz/`.
pub fn run(name: &str, bytes: &[u8]) {
    for (known, target) in TARGETS {
        if known == name {
            target(bytes);
        }
    }
}
