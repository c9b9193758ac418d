//! What other users of the machine may see of this process, and what one thread may do to another.

use std::os::raw::c_long;

use pyo3::prelude::*;
use pyo3::types::PyType;

/// Raises `exception` in the thread when it next runs Python code. False: there is no such thread.
pub fn raise_in_thread(thread_id: c_long, exception: &Bound<'_, PyType>) -> bool {
    // SAFETY: the interpreter is attached, and the type outlives the call; CPython takes a reference of its own.
    let count = unsafe { pyo3::ffi::PyThreadState_SetAsyncExc(thread_id, exception.as_ptr()) };
    count > 0
}

/// Overwrites `secret` wherever it stands in this process's command line. Linux only; false elsewhere, and when it
/// does not stand there. Python's `sys.argv` is a copy and stays as it is.
#[cfg(target_os = "linux")]
pub fn blank_title(secret: &str) -> bool {
    let Some((start, end)) = command_line() else {
        return false;
    };
    if secret.is_empty() || end <= start {
        return false;
    }
    // SAFETY: the kernel says that this process's arguments lie there, on its stack, which stays mapped and writable.
    // Nothing else writes there while this runs, as only process titles are kept in it.
    let bytes = unsafe { std::slice::from_raw_parts_mut(start as *mut u8, end - start) };
    let found: Vec<usize> = memchr::memmem::find_iter(bytes, secret.as_bytes()).collect();
    for position in &found {
        bytes[*position..*position + secret.len()].fill(b'*');
    }
    !found.is_empty()
}

#[cfg(not(target_os = "linux"))]
pub fn blank_title(_secret: &str) -> bool {
    false
}

/// Where the arguments begin and end: fields 48 and 49 of /proc/self/stat.
#[cfg(target_os = "linux")]
fn command_line() -> Option<(usize, usize)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field, the name, is in brackets and may hold spaces.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(45);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}
