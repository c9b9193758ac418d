//! Redis URLs: the one parser, for the core and for redis-py alike.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use crate::error::{Error, Result};
use crate::printable::printable;

const SECRET: &str = "***";
const QUERY_OPTIONS: &str = "db, username, password, ssl_ca_certs, ssl_certfile, ssl_keyfile, ssl_cert_reqs, \
                             ssl_check_hostname, sentinel_username, sentinel_password";

/// Where the server is.
#[derive(Clone, PartialEq)]
pub enum Endpoint {
    Tcp {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
    /// The master of `service`, as these sentinels know it.
    Sentinel {
        service: String,
        nodes: Vec<(String, u16)>,
    },
    /// `embedded`: to be started, and turned into a Unix socket, before anything can connect.
    Embedded,
}

impl Endpoint {
    /// What connections to a server of `service` are called.
    pub fn name(&self, service: &str) -> String {
        format!("{} of {service}", self.address())
    }

    /// `host:port`, or the socket's path.
    pub fn address(&self) -> String {
        match self {
            Self::Tcp { host, port } => format!("{host}:{port}"),
            Self::Unix(path) => path.display().to_string(),
            Self::Sentinel { service, .. } => service.clone(),
            Self::Embedded => "embedded".into(),
        }
    }
}

/// How the server proves who it is, and the client who it is.
#[derive(Clone, PartialEq)]
pub struct Tls {
    /// PEM file or folder; the system's certificates when absent.
    pub ca_certs: Option<PathBuf>,
    pub certfile: Option<PathBuf>,
    pub keyfile: Option<PathBuf>,
    pub verify: bool,
    pub check_hostname: bool,
}

#[derive(Clone, Default, PartialEq)]
pub struct Login {
    pub username: Option<String>,
    pub password: Option<String>,
}

/// A parsed Redis URL. Neither `Debug` nor `safe` shows a secret.
#[derive(Clone)]
pub struct RedisUrl {
    /// `redis`, `rediss`, `unix`, `sentinel` or `embedded`.
    pub scheme: &'static str,
    pub endpoint: Endpoint,
    pub login: Login,
    pub sentinel_login: Login,
    pub db: u32,
    pub tls: Option<Tls>,
    safe: String,
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({})", self.safe)
    }
}

impl RedisUrl {
    /// Reads `redis[s]://`, `unix://`, `redis[s]+sentinel://` and `embedded`. Error messages never repeat the text.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text == "embedded" || text == "embedded://" {
            return Ok(Self::bare("embedded", Endpoint::Embedded));
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let scheme = scheme.to_ascii_lowercase();
        let mut url = match scheme.as_str() {
            "redis" | "rediss" => tcp(rest, scheme == "rediss")?,
            "unix" | "redis+unix" => unix(rest)?,
            "redis+sentinel" | "rediss+sentinel" | "sentinel" => sentinel(rest, scheme == "rediss+sentinel")?,
            _ => {
                return Err(wrong("its scheme is none of redis, rediss, unix, redis+sentinel, embedded"));
            }
        };
        url.read_query(query)?;
        url.check()?;
        url.safe = url.redacted();
        Ok(url)
    }

    /// Whether the server may be another one at the next connection.
    pub fn is_sentinel(&self) -> bool {
        matches!(self.endpoint, Endpoint::Sentinel { .. })
    }

    /// The URL without its secrets.
    pub fn safe(&self) -> &str {
        &self.safe
    }

    fn bare(scheme: &'static str, endpoint: Endpoint) -> Self {
        let (login, sentinel_login) = (Login::default(), Login::default());
        Self { scheme, endpoint, login, sentinel_login, db: 0, tls: None, safe: scheme.to_owned() }
    }

    fn read_query(&mut self, query: &str) -> Result<()> {
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value)?;
            match name {
                "db" => self.db = database(&value)?,
                "username" => self.login.username = Some(value),
                "password" => self.login.password = Some(value),
                "sentinel_username" => self.sentinel_login.username = Some(value),
                "sentinel_password" => self.sentinel_login.password = Some(value),
                name if name.starts_with("ssl_") => self.read_tls(name, &value)?,
                _ => {
                    return Err(wrong(&format!("it has an option that is none of {QUERY_OPTIONS}")));
                }
            }
        }
        Ok(())
    }

    fn read_tls(&mut self, name: &str, value: &str) -> Result<()> {
        let tls = self.tls.as_mut().ok_or_else(|| wrong("ssl_ options need a rediss:// scheme"))?;
        match name {
            "ssl_ca_certs" => tls.ca_certs = Some(value.into()),
            "ssl_certfile" => tls.certfile = Some(value.into()),
            "ssl_keyfile" => tls.keyfile = Some(value.into()),
            "ssl_cert_reqs" => tls.verify = verification(value)?,
            "ssl_check_hostname" => tls.check_hostname = truth(value)?,
            _ => {
                return Err(wrong(&format!("it has an option that is none of {QUERY_OPTIONS}")));
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        if self.login.username.is_some() && self.login.password.is_none() {
            return Err(wrong("it has a user name and no password"));
        }
        match &self.tls {
            Some(tls) if tls.certfile.is_some() != tls.keyfile.is_some() => {
                Err(wrong("ssl_certfile and ssl_keyfile go together"))
            }
            _ => Ok(()),
        }
    }

    fn redacted(&self) -> String {
        let user = self.login.username.as_deref().unwrap_or_default();
        let login = if self.login.password.is_some() { format!("{user}:{SECRET}@") } else { String::new() };
        let text = match &self.endpoint {
            Endpoint::Tcp { host, port } => format!("{}://{login}{}:{port}/{}", self.scheme, bracketed(host), self.db),
            Endpoint::Unix(path) => format!("unix://{login}{}?db={}", path.display(), self.db),
            Endpoint::Sentinel { service, nodes } => {
                let nodes: Vec<_> = nodes.iter().map(|(host, port)| format!("{}:{port}", bracketed(host))).collect();
                let scheme = if self.tls.is_some() { "rediss+sentinel" } else { "redis+sentinel" };
                format!("{scheme}://{login}{}/{service}/{}", nodes.join(","), self.db)
            }
            Endpoint::Embedded => "embedded".to_owned(),
        };
        printable(&text)
    }
}

fn tcp(rest: &str, secure: bool) -> Result<RedisUrl> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, address) = credentials(authority)?;
    let (host, port) = host_port(address, 6379)?;
    let mut url = RedisUrl::bare(if secure { "rediss" } else { "redis" }, Endpoint::Tcp { host, port });
    url.login = login;
    url.db = database(path)?;
    url.tls = secure.then(tls);
    Ok(url)
}

fn unix(rest: &str) -> Result<RedisUrl> {
    let slash = rest.find('/').unwrap_or(rest.len());
    let (login, path) = match rest[..slash].rfind('@') {
        Some(at) => (credentials(&rest[..=at])?.0, &rest[at + 1..]),
        None if rest[..slash].contains(':') => {
            return Err(wrong("of a unix:// URL the path comes after two slashes"));
        }
        None => (Login::default(), rest),
    };
    if path.is_empty() {
        return Err(wrong("it has no path to a socket"));
    }
    // After credentials a path begins with a slash: else it is the rest of a password, which would be shown.
    if login != Login::default() && !path.starts_with('/') {
        return Err(wrong("its path does not begin with a slash; write / of a password as %2F"));
    }
    let mut url = RedisUrl::bare("unix", Endpoint::Unix(decoded(path)?.into()));
    url.login = login;
    Ok(url)
}

fn sentinel(rest: &str, secure: bool) -> Result<RedisUrl> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, addresses) = credentials(authority)?;
    let nodes = addresses.split(',').map(|address| host_port(address, 26379)).collect::<Result<_>>()?;
    let (service, db) = path.split_once('/').unwrap_or((path, ""));
    // The rest of a password, which would be shown.
    if service.contains('@') {
        return Err(wrong("its service has an @; write it as %40, and / of a password as %2F"));
    }
    let service = if service.is_empty() { "mymaster".to_owned() } else { decoded(service)? };
    let mut url = RedisUrl::bare("sentinel", Endpoint::Sentinel { service, nodes });
    url.login = login;
    url.db = database(db)?;
    url.tls = secure.then(tls);
    Ok(url)
}

fn tls() -> Tls {
    Tls { ca_certs: None, certfile: None, keyfile: None, verify: true, check_hostname: true }
}

/// Splits `user:password@address`. The last @ divides, so that one in a password does no harm.
fn credentials(authority: &str) -> Result<(Login, &str)> {
    let Some((login, address)) = authority.rsplit_once('@') else {
        return Ok((Login::default(), authority));
    };
    let (username, password) = match login.split_once(':') {
        Some((username, password)) => (decoded(username)?, Some(decoded(password)?)),
        None => (decoded(login)?, None),
    };
    let filled = |text: &String| !text.is_empty();
    let login = Login { username: Some(username).filter(filled), password: password.filter(filled) };
    Ok((login, address))
}

fn host_port(address: &str, default: u16) -> Result<(String, u16)> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(|| wrong("its IPv6 address lacks a bracket"))?;
            (host, port.strip_prefix(':'))
        }
        None => match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    let host = if host.is_empty() { "localhost".to_owned() } else { decoded(host)? };
    let odd = host.chars().any(|c| c.is_whitespace() || c.is_control() || "@/#".contains(c));
    let port = match port {
        Some(text) if !text.is_empty() => text.parse().ok().filter(|port| *port > 0),
        _ => Some(default),
    };
    match port {
        Some(port) if !odd => Ok((host, port)),
        _ => Err(wrong("its host or port makes no sense; write @ : / ? # % of a password as %40 %3A %2F %3F %23 %25")),
    }
}

fn database(text: &str) -> Result<u32> {
    match text.trim_end_matches('/') {
        "" => Ok(0),
        digits => digits.parse().map_err(|_| wrong("its database is not a number; write / of a password as %2F")),
    }
}

fn verification(text: &str) -> Result<bool> {
    match text.to_ascii_lowercase().trim_start_matches("cert_") {
        "required" | "optional" => Ok(true),
        "none" => Ok(false),
        _ => Err(wrong("ssl_cert_reqs is required or none")),
    }
}

fn truth(text: &str) -> Result<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(wrong("ssl_check_hostname is true or false")),
    }
}

fn decoded(text: &str) -> Result<String> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| wrong("it is not UTF-8"))?;
    if text.contains('\0') { Err(wrong("it holds a NUL")) } else { Ok(text.into_owned()) }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

fn wrong(why: &str) -> Error {
    Error::Config(format!("the Redis URL makes no sense: {why}; it should look like redis://user:password@host:6379/0"))
}

#[cfg(test)]
#[path = "url_tests.rs"]
mod tests;
