//! A file descriptor that a selector or event loop can watch: rung from Rust threads, cleared by Python.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

pub struct Bell {
    read: OwnedFd,
    write: OwnedFd,
}

impl Bell {
    pub fn new() -> io::Result<Self> {
        let mut ends = [0; 2];
        // SAFETY: `ends` has room for the two descriptors that the call writes.
        if unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, ends.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: both descriptors were just made and belong to nobody else.
        let (read, write) = unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) };
        for end in [&read, &write] {
            set(end.as_raw_fd(), libc::F_GETFD, libc::F_SETFD, libc::FD_CLOEXEC)?;
            set(end.as_raw_fd(), libc::F_GETFL, libc::F_SETFL, libc::O_NONBLOCK)?;
        }
        Ok(Self { read, write })
    }

    pub fn fd(&self) -> RawFd {
        self.read.as_raw_fd()
    }

    /// Makes the descriptor readable. A full buffer means that it already is.
    pub fn ring(&self) {
        // SAFETY: one byte from a valid address to a descriptor that this struct keeps open.
        unsafe { libc::write(self.write.as_raw_fd(), [1u8].as_ptr().cast(), 1) };
    }

    pub fn clear(&self) {
        let mut bytes = [0u8; 64];
        // SAFETY: reads at most the length of `bytes` into it from a descriptor that this struct keeps open.
        while unsafe { libc::read(self.read.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len()) } == 64 {}
    }
}

fn set(fd: RawFd, get: libc::c_int, put: libc::c_int, flag: libc::c_int) -> io::Result<()> {
    // SAFETY: plain flag calls on a valid descriptor.
    let flags = unsafe { libc::fcntl(fd, get) };
    // SAFETY: as above.
    if flags < 0 || unsafe { libc::fcntl(fd, put, flags | flag) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
