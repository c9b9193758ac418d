//! As much of HTTP/1.1 as probes and scrapers speak: the head of one request, and one response.

use std::net::IpAddr;

/// The longest head of a request, in bytes.
pub const LONGEST_HEAD: usize = 8 * 1024;
const MOST_HEADERS: usize = 64;
const FIXED: &str = "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Ok,
    BadRequest,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Timeout,
    HeadTooLarge,
    Unavailable,
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::Forbidden => "403 Forbidden",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::Timeout => "408 Request Timeout",
            Self::HeadTooLarge => "431 Request Header Fields Too Large",
            Self::Unavailable => "503 Service Unavailable",
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// A path without its query.
    Page {
        path: String,
        is_head: bool,
    },
    Refused(Status),
    /// There is more of the head to come.
    Partly,
}

/// Reads a head. `bound`: the loopback address that is served, whose names are then the only ones that a `Host` may
/// have. Else any site could read the answer, through a name that its owner has pointed at this machine.
pub fn read(head: &[u8], bound: Option<IpAddr>) -> Asked {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) if head.len() < LONGEST_HEAD => return Asked::Partly,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return Asked::Refused(Status::HeadTooLarge);
        }
        Err(_) => return Asked::Refused(Status::BadRequest),
    }
    let mut hosts = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("host"));
    let (host, another) = (hosts.next(), hosts.next());
    // Before 1.1 there was none; every browser sends one.
    if another.is_some() || (host.is_none() && request.version != Some(0)) {
        return Asked::Refused(Status::BadRequest);
    }
    if let (Some(host), Some(bound)) = (host, bound)
        && !is_loopback(host.value, bound)
    {
        return Asked::Refused(Status::Forbidden);
    }
    let is_head = request.method == Some("HEAD");
    if !is_head && request.method != Some("GET") {
        return Asked::Refused(Status::MethodNotAllowed);
    }
    match request.path {
        Some(path) if path.starts_with('/') => {
            Asked::Page { path: path.split('?').next().unwrap_or_default().to_owned(), is_head }
        }
        _ => Asked::Refused(Status::BadRequest),
    }
}

/// Whether a `Host` names this machine's loopback, with a port or without.
fn is_loopback(host: &[u8], bound: IpAddr) -> bool {
    let Ok(host) = std::str::from_utf8(host) else { return false };
    let host = host.trim();
    let is_port = |text: &str| text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let end = if host.starts_with('[') { host.find(']').map(|at| at + 1) } else { host.find(':') };
    let (name, rest) = host.split_at(end.unwrap_or(host.len()));
    let is_whole = rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
    let is_bound = match bound {
        IpAddr::V4(address) => name == address.to_string(),
        IpAddr::V6(address) => name == format!("[{address}]"),
    };
    is_whole && (name.eq_ignore_ascii_case("localhost") || matches!(name, "127.0.0.1" | "[::1]") || is_bound)
}

/// A whole response; of one to HEAD the body is left out.
pub fn response(status: Status, content_type: &str, body: &str, is_head: bool) -> Vec<u8> {
    let allow = if status == Status::MethodNotAllowed { "Allow: GET, HEAD\r\n" } else { "" };
    let mut response = format!(
        "HTTP/1.1 {}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n{allow}{FIXED}\r\n",
        status.line(),
        body.len(),
    );
    if !is_head {
        response.push_str(body);
    }
    response.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    fn page(path: &str, is_head: bool) -> Asked {
        Asked::Page { path: path.into(), is_head }
    }

    #[test]
    fn a_path_is_read_without_its_query() {
        assert_eq!(read(b"GET /live?a=1?b HTTP/1.1\r\nHost: localhost\r\n\r\n", LOOPBACK), page("/live", false));
        assert_eq!(read(b"HEAD /live HTTP/1.1\r\nhost:localhost:80\r\n\r\nrest", LOOPBACK), page("/live", true));
        assert_eq!(read(b"GET / HTTP/1.0\r\n\r\n", LOOPBACK), page("/", false));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}", "x".repeat(LONGEST_HEAD));
        let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: x\r\n".repeat(MOST_HEADERS));
        for (head, status) in [
            (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], Status::BadRequest),
            (b"GET /live HTTP/1.1\r\n\r\n", Status::BadRequest),
            (b"GET /live HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", Status::BadRequest),
            (b"GET http://localhost/live HTTP/1.1\r\nHost: localhost\r\n\r\n", Status::BadRequest),
            (b"GET /live HTTP/3.0\r\nHost: localhost\r\n\r\n", Status::BadRequest),
            (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", Status::MethodNotAllowed),
            (b"POST /live HTTP/1.1\r\nHost: localhost\r\n\r\n", Status::MethodNotAllowed),
            (b"get /live HTTP/1.1\r\nHost: localhost\r\n\r\n", Status::MethodNotAllowed),
            (b"GET /live HTTP/1.1\r\nHost: evil.example\r\n\r\n", Status::Forbidden),
            (long.as_bytes(), Status::HeadTooLarge),
            (many.as_bytes(), Status::HeadTooLarge),
        ] {
            assert_eq!(read(head, LOOPBACK), Asked::Refused(status), "{}", head.escape_ascii());
        }
        assert_eq!(read(b"GET /live HTTP/1.1\r\nHo", LOOPBACK), Asked::Partly);
        assert_eq!(read(b"", LOOPBACK), Asked::Partly);
    }

    #[test]
    fn only_loopback_is_a_host_there() {
        let bound = "127.0.0.9".parse().unwrap();
        for host in ["localhost", "LocalHost:1", "127.0.0.1", "127.0.0.1:65535", "[::1]", "[::1]:80", "127.0.0.9:"] {
            assert!(is_loopback(host.as_bytes(), bound), "{host}");
        }
        for host in
            ["", "::1", "localhost.", "localhost:x", "localhost:1:2", "127.0.0.2", "[::1", "[::1]x", "a@localhost"]
        {
            assert!(!is_loopback(host.as_bytes(), bound), "{host}");
        }
        assert!(is_loopback(b"[::1]:1", "::1".parse().unwrap()));
        assert_eq!(read(b"GET /live HTTP/1.1\r\nHost: any.example\r\n\r\n", None), page("/live", false));
    }
}
