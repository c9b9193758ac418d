//! JSON to Python objects.

use std::borrow::Cow;

use jiter::{FloatMode, PartialMode, PythonParse, StringCacheMode, map_json_error};
use pyo3::prelude::*;

use crate::json::hex4;

/// Strict JSON to Python objects. Integers are whole up to 4,300 digits; of a key that an inner object repeats the last
/// value stands, as in Ruby. A surrogate escape without its partner, which Ruby lets pass and UTF-8 cannot hold,
/// becomes `U+FFFD`: a job is worth more than such a letter. Raises `ValueError`.
pub fn value<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let parser = PythonParse {
        allow_inf_nan: false,
        // Keys repeat from job to job, values seldom do.
        cache_mode: StringCacheMode::Keys,
        partial_mode: PartialMode::Off,
        catch_duplicate_keys: false,
        float_mode: FloatMode::Float,
    };
    match parser.python_parse(py, bytes) {
        Ok(value) => Ok(value),
        Err(error) => match without_lone_surrogates(bytes) {
            Cow::Borrowed(_) => Err(map_json_error(bytes, &error)),
            Cow::Owned(repaired) => {
                parser.python_parse(py, &repaired).map_err(|error| map_json_error(&repaired, &error))
            }
        },
    }
}

/// The text with each lone surrogate escape turned into one of U+FFFD, of the same length.
pub fn without_lone_surrogates(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut text = Cow::Borrowed(bytes);
    let mut position = 0;
    while let Some(found) = memchr::memchr(b'\\', bytes.get(position..).unwrap_or_default()) {
        let start = position + found;
        let next = bytes.get(start + 6..).unwrap_or_default();
        position = start
            + match hex4(&bytes[start..]) {
                Some(0xd800..0xdc00) if matches!(hex4(next), Some(0xdc00..0xe000)) => 12,
                Some(0xd800..0xe000) => {
                    text.to_mut()[start + 2..start + 6].copy_from_slice(b"fffd");
                    6
                }
                _ => 2,
            };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lone_surrogates_change() {
        let cases: [(&str, &str); 5] = [
            (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""\ude00\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\\ud83d\""#, r#""\\ud83d\""#),
        ];
        for (text, repaired) in cases {
            assert_eq!(without_lone_surrogates(text.as_bytes()), repaired.as_bytes(), "{text}");
        }
    }
}
