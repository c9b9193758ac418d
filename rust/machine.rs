//! Whether a process of this same machine still runs: the proof that lets its jobs be recovered without waiting for its lease.

use std::fs;

/// Names the boot and the pid namespace that pids belong to; None where there is no such proof (macOS, a hidden /proc).
pub fn machine() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    let digits: String = namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    (!digits.is_empty()).then(|| format!("{}:{digits}", boot.trim()))
}

/// `"<pid> <start time>"` of this process, as its neighbours check it.
pub fn myself() -> Option<String> {
    let pid = std::process::id();
    Some(format!("{pid} {}", start_time(&stat(pid)?)?))
}

/// True only when the process described by `"<pid> <start time>"` has certainly ended.
///
/// `kill(pid, 0)` is asked first since /proc can hide other users' processes, and a hidden process is not a dead one.
pub fn is_gone(description: &str) -> bool {
    let Some((pid, started)) = description.split_once(' ') else {
        return false;
    };
    let (Ok(pid), Ok(started)) = (pid.parse::<u32>(), started.parse::<u64>()) else {
        return false;
    };
    let Ok(raw_pid) = libc::pid_t::try_from(pid) else {
        return false;
    };
    if raw_pid <= 0 {
        return false;
    }
    // SAFETY: signal 0 only asks whether the process exists.
    let exists = unsafe { libc::kill(raw_pid, 0) } == 0;
    if !exists && std::io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH) {
        return true;
    }
    stat(pid).is_some_and(|stat| is_ended(&stat) || start_time(&stat).is_some_and(|now| now != started))
}

fn stat(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/stat")).ok()
}

/// The fields after the command name, which may itself contain spaces and brackets (proc(5)).
fn fields(stat: &str) -> impl Iterator<Item = &str> {
    stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace()
}

/// Field 22: clock ticks after boot. The same pid with another start time is another process.
fn start_time(stat: &str) -> Option<u64> {
    fields(stat).nth(19)?.parse().ok()
}

/// A zombie with no thread left: killed, but not yet waited for by its parent.
fn is_ended(stat: &str) -> bool {
    let mut fields = fields(stat);
    matches!(fields.next(), Some("Z" | "X" | "x"))
        && fields.nth(16).is_some_and(|threads| threads == "1" || threads == "0")
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_living_process_is_not_gone_and_its_namesake_is() {
        let me = myself().unwrap();
        assert!(!is_gone(&me));
        let (pid, start) = me.split_once(' ').unwrap();
        assert!(is_gone(&format!("{pid} {}", start.parse::<u64>().unwrap() + 1)));
        assert!(machine().is_some());
    }

    #[test]
    fn a_killed_child_is_gone_before_and_after_it_is_waited_for() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let description = format!("{} {}", child.id(), start_time(&stat(child.id()).unwrap()).unwrap());
        assert!(!is_gone(&description));
        child.kill().unwrap();
        while !is_gone(&description) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(is_gone(&description));
    }

    #[test]
    fn nonsense_proves_nothing() {
        for text in ["", "1", "x y", "-1 5", "0 0", "99999999999 1"] {
            assert!(!is_gone(text), "{text}");
        }
    }
}
