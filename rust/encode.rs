//! Python objects to JSON, in the bytes of Ruby's `JSON.generate` (json 3.1).
//!
//! Exact types only: a subclass may carry what JSON would lose. What cannot be written is refused with its path.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyMapping, PyString, PyTuple};

use crate::error::{Error, Result};
use crate::floats::write_float;
use crate::hints;
use crate::json::MAX_DEPTH;

/// The most digits of an integer: Python's own limit, so that what is written can be read.
const MAX_DIGITS: usize = 4300;
/// No integer of more bits has so few digits.
const MAX_BITS: usize = 14_285;

/// Writes `value`, which lies in `depth` containers; `root` names it in errors.
pub fn write(out: &mut Vec<u8>, value: &Bound<'_, PyAny>, depth: usize, root: &str) -> Result<()> {
    write_value(out, value, depth).map_err(|error| within(error, root))
}

/// Writes a job's arguments: a list or tuple, subclasses of them included, since only its items are kept.
pub fn write_args(out: &mut Vec<u8>, args: &Bound<'_, PyAny>, root: impl Fn() -> String) -> Result<()> {
    let written = if let Ok(list) = args.cast::<PyList>() {
        write_items(out, list.iter(), 2)
    } else if let Ok(tuple) = args.cast::<PyTuple>() {
        write_items(out, tuple.iter(), 2)
    } else {
        Err(argument(hints::type_name(args), "pass a list or tuple of the job's arguments, as in (\"bob\", 5)"))
    };
    written.map_err(|error| within(error, &root()))
}

/// Top-level fields to splice into a payload; `None` stands for removal. Text that is not UTF-8, as error messages
/// may be, gets question marks: what settles a job must not fail.
pub fn fields(mapping: &Bound<'_, PyMapping>) -> Result<Vec<(String, Option<Vec<u8>>)>> {
    let mut fields = Vec::new();
    for pair in mapping.items()?.iter() {
        let (name, value): (String, Bound<'_, PyAny>) = pair.extract()?;
        fields.push((name.clone(), if value.is_none() { None } else { Some(field(&name, &value)?) }));
    }
    Ok(fields)
}

fn field(name: &str, value: &Bound<'_, PyAny>) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let Ok(text) = value.cast::<PyString>() else {
        write(&mut out, value, 1, name)?;
        return Ok(out);
    };
    if let Ok(text) = text.to_str() {
        write_string(&mut out, text);
    } else {
        let bytes = text.call_method1("encode", ("utf-8", "replace"))?;
        let bytes = bytes.extract::<&[u8]>().unwrap_or_default();
        write_string(&mut out, &String::from_utf8_lossy(bytes));
    }
    Ok(out)
}

fn write_value(out: &mut Vec<u8>, value: &Bound<'_, PyAny>, depth: usize) -> Result<()> {
    if let Ok(text) = value.cast_exact::<PyString>() {
        write_text(out, text)
    } else if let Ok(number) = value.cast_exact::<PyInt>() {
        write_int(out, number)
    } else if value.is_none() {
        out.extend_from_slice(b"null");
        Ok(())
    } else if let Ok(truth) = value.cast_exact::<PyBool>() {
        out.extend_from_slice(if truth.is_true() { b"true" } else { b"false" });
        Ok(())
    } else if let Ok(number) = value.cast_exact::<PyFloat>() {
        write_py_float(out, number.value())
    } else if let Ok(list) = value.cast_exact::<PyList>() {
        write_items(out, list.iter(), depth + 1)
    } else if let Ok(dict) = value.cast_exact::<PyDict>() {
        write_dict(out, dict, depth + 1)
    } else {
        Err(argument(hints::type_name(value), &hints::instead_of(value)))
    }
}

fn write_items<'py>(out: &mut Vec<u8>, items: impl Iterator<Item = Bound<'py, PyAny>>, depth: usize) -> Result<()> {
    check_depth(depth)?;
    out.push(b'[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_value(out, &item, depth).map_err(|error| within(error, &format!("[{index}]")))?;
    }
    out.push(b']');
    Ok(())
}

fn write_dict(out: &mut Vec<u8>, dict: &Bound<'_, PyDict>, depth: usize) -> Result<()> {
    check_depth(depth)?;
    out.push(b'{');
    for (index, (key, value)) in dict.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let Ok(name) = key.cast_exact::<PyString>() else {
            let found = format!("a key of type {}", hints::type_name(&key));
            return Err(argument(found, "keys are str: JSON knows no others"));
        };
        write_text(out, name)?;
        out.push(b':');
        write_value(out, &value, depth).map_err(|error| within(error, &hints::key_path(name)))?;
    }
    out.push(b'}');
    Ok(())
}

fn check_depth(depth: usize) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(argument("nested more than 100 deep".to_owned(), "flatten it, or pass an id instead"));
    }
    Ok(())
}

fn write_text(out: &mut Vec<u8>, text: &Bound<'_, PyString>) -> Result<()> {
    let Ok(text) = text.to_str() else {
        let hint = "such text has no UTF-8 form: pass text.encode(\"utf-8\", \"replace\").decode() or base64";
        return Err(argument("str with a lone surrogate".to_owned(), hint));
    };
    write_string(out, text);
    Ok(())
}

fn write_int(out: &mut Vec<u8>, number: &Bound<'_, PyInt>) -> Result<()> {
    if let Ok(small) = number.extract::<i64>() {
        out.extend_from_slice(itoa::Buffer::new().format(small).as_bytes());
        return Ok(());
    }
    let too_long = || argument("int of more than 4,300 digits".to_owned(), "pass hex(n)");
    let bits: usize = number.call_method0("bit_length")?.extract()?;
    if bits > MAX_BITS {
        return Err(too_long());
    }
    // Fails where the program has lowered sys.set_int_max_str_digits().
    let digits = number.str().map_err(|_| too_long())?;
    let digits = digits.to_str()?;
    if digits.trim_start_matches('-').len() > MAX_DIGITS {
        return Err(too_long());
    }
    out.extend_from_slice(digits.as_bytes());
    Ok(())
}

fn write_py_float(out: &mut Vec<u8>, number: f64) -> Result<()> {
    if !number.is_finite() {
        return Err(argument(format!("float {number}").to_lowercase(), "JSON knows no such number: pass None"));
    }
    write_float(out, number);
    Ok(())
}

/// Writes a JSON string, quotes included: raw UTF-8, only quote, backslash and control characters escaped.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[copied..index]);
        write_escape(out, byte);
        copied = index + 1;
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let letter = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&digits);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}

fn argument(found: String, hint: &str) -> Error {
    Error::Argument { path: String::new(), found, hint: hint.to_owned() }
}

/// Puts `segment` before the path of an error, on its way out of a container.
fn within(error: Error, segment: &str) -> Error {
    match error {
        Error::Argument { path, found, hint } => Error::Argument { path: format!("{segment}{path}"), found, hint },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_as_ruby_escapes_them() {
        let mut out = Vec::new();
        write_string(&mut out, "a\"b\\c/\u{8}\u{c}\n\r\t\0\u{1f}\u{7f}é\u{2028}\u{1f600}");
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0000\\u001f\u{7f}é\u{2028}\u{1f600}\"");
    }
}
