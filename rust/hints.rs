//! What to pass instead of a value that is not plain JSON.

use pyo3::prelude::*;
use pyo3::types::{PyString, PyType};

/// The name of a value's type, as an error shows it.
pub fn type_name(value: &Bound<'_, PyAny>) -> String {
    value.get_type().qualname().map_or_else(|_| "object".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// `["key"]`, shortened when the key is long, with control characters escaped.
pub fn key_path(key: &Bound<'_, PyString>) -> String {
    let key = key.to_string_lossy();
    let short: String = key.chars().take(60).collect();
    let dots = if short.len() < key.len() { "..." } else { "" };
    format!("[\"{}{dots}\"]", short.escape_debug())
}

/// Says what to pass instead, by the first of the type's bases that is known here.
pub fn instead_of(value: &Bound<'_, PyAny>) -> String {
    let bases = bases(&value.get_type());
    // Before `str` and `int`, which such an enum has for bases too: `str()` of its members is a name with some of them.
    let enumeration = bases.iter().find(|name| *name == "enum.Enum");
    let known = enumeration.into_iter().chain(&bases).find_map(|name| for_base(name));
    match known {
        Some(hint) => hint.to_owned(),
        None if is_record(value) => "pass its id, or the fields the job needs, and load the rest in the job".to_owned(),
        None => "arguments are JSON: str, int, float, bool, None, list, dict with str keys".to_owned(),
    }
}

fn bases(class: &Bound<'_, PyType>) -> Vec<String> {
    let name = |base: Bound<'_, PyAny>| {
        let base = base.cast_into::<PyType>().ok()?;
        Some(format!("{}.{}", base.module().ok()?, base.qualname().ok()?))
    };
    class.mro().iter().filter_map(name).collect()
}

fn for_base(name: &str) -> Option<&'static str> {
    Some(match name {
        "datetime.datetime" => "pass .isoformat() or .timestamp()",
        "datetime.date" | "datetime.time" => "pass .isoformat()",
        "datetime.timedelta" => "pass .total_seconds()",
        // Python 3.13 has paths in a module of their own.
        "decimal.Decimal" | "uuid.UUID" | "fractions.Fraction" | "pathlib.PurePath" | "pathlib._local.PurePath" => {
            "pass str(...)"
        }
        "enum.Enum" => "pass .value, or annotate the parameter with the enum",
        "builtins.tuple"
        | "builtins.set"
        | "builtins.frozenset"
        | "builtins.range"
        | "builtins.dict_keys"
        | "builtins.dict_values"
        | "builtins.generator" => "pass list(...)",
        "builtins.bytes" | "builtins.bytearray" | "builtins.memoryview" => {
            "pass text: .decode(), or base64.b64encode(...).decode()"
        }
        "builtins.complex" => "pass [z.real, z.imag]",
        "numpy.generic" => "pass .item()",
        "numpy.ndarray" => "pass .tolist()",
        "builtins.str" => "a subclass: pass str(...)",
        "builtins.int" => "a subclass: pass int(...)",
        "builtins.float" => "a subclass: pass float(...)",
        "builtins.list" => "a subclass: pass list(...)",
        "builtins.dict" => "a subclass: pass dict(...)",
        _ => return None,
    })
}

/// Dataclasses and the models of the usual libraries.
fn is_record(value: &Bound<'_, PyAny>) -> bool {
    let marks = ["__dataclass_fields__", "__attrs_attrs__", "__pydantic_fields__", "__mapper__", "_meta", "pk"];
    marks.iter().any(|mark| value.get_type().hasattr(*mark).unwrap_or(false))
}
