//! Asks sentinels who the master is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::now_us;
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::resp::Reply;
use crate::url::{Endpoint, RedisUrl};

/// A primary that is cut off from its replicas and sentinels goes on answering whoever is connected: what it takes is lost once it is a
/// replica of the one that was promoted meanwhile. So the sentinels are asked now and then though all seems well.
const ASK_EVERY_US: u64 = 5_000_000;
/// A sentinel that is away must not hold up a push or a beat for long.
const ASK_PATIENCE: Duration = Duration::from_millis(100);

/// When the sentinels were asked last.
pub struct Watch {
    asked_us: AtomicU64,
}

impl Default for Watch {
    fn default() -> Self {
        Self { asked_us: AtomicU64::new(now_us()) }
    }
}

impl Watch {
    /// A connection to the master, when it is another one than `current` (a connection's name) leads to. Asks every 5 s at most.
    pub fn elsewhere(
        &self,
        url: &RedisUrl,
        current: &str,
        connect_timeout: Duration,
        timeout: Duration,
    ) -> Option<Connection> {
        let Endpoint::Sentinel { service, nodes } = &url.endpoint else {
            return None;
        };
        let (now, asked) = (now_us(), self.asked_us.load(Ordering::Relaxed));
        let mine = now.saturating_sub(asked) >= ASK_EVERY_US
            && self.asked_us.compare_exchange(asked, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if !mine {
            return None;
        }
        let named = nodes.iter().find_map(|(host, port)| {
            let node = Endpoint::Tcp { host: host.clone(), port: *port };
            ask(url, &node, service, ASK_PATIENCE, ASK_PATIENCE).ok()
        });
        // One sentinel may lag behind: what it names has to be a master, or else the others are asked.
        if named?.name(service) == current {
            return None;
        }
        open_master(url, connect_timeout, timeout).ok().filter(|connection| connection.name() != current)
    }
}

/// A connection to the master, of the first sentinel whose word proves true.
pub fn open_master(url: &RedisUrl, connect_timeout: Duration, timeout: Duration) -> Result<Connection> {
    let Endpoint::Sentinel { service, nodes } = &url.endpoint else {
        return Err(Error::Config("not a Sentinel URL".into()));
    };
    let mut reasons = Vec::new();
    let mut tried = Vec::new();
    for (host, port) in nodes {
        let node = Endpoint::Tcp { host: host.clone(), port: *port };
        let found = ask(url, &node, service, connect_timeout, timeout).and_then(|master| {
            // A frozen master takes the whole timeout: once, not once for each sentinel that still names it.
            if tried.contains(&master) {
                return Ok(None);
            }
            tried.push(master.clone());
            check(Connection::open_at(&master, url, connect_timeout, timeout)?).map(Some)
        });
        match found {
            Ok(Some(connection)) => return Ok(connection),
            Ok(None) => {}
            // A wrong password will be wrong at the next one too, and says more than "unreachable".
            Err(error @ (Error::Reply { .. } | Error::Config(_))) => return Err(error),
            Err(error) => reasons.push(error.to_string()),
        }
    }
    Err(Error::Unreachable(format!("no sentinel of {} leads to a master: {}", url.safe(), reasons.join("; "))))
}

fn ask(
    url: &RedisUrl,
    node: &Endpoint,
    service: &str,
    connect_timeout: Duration,
    timeout: Duration,
) -> Result<Endpoint> {
    let name = format!("sentinel {}", node.address());
    let mut sentinel = Connection::connect(node, url.tls.as_ref(), name.clone(), connect_timeout, timeout)?;
    sentinel.login(&url.sentinel_login)?;
    let reply = sentinel.command(&[b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", service.as_bytes()])?;
    let Reply::Array(parts) = &reply else {
        return Err(Error::Unreachable(format!("{name} knows no master named {service}")));
    };
    let host = parts.first().and_then(Reply::as_str);
    let port = parts.get(1).and_then(Reply::as_int).and_then(|port| u16::try_from(port).ok());
    match (host, port) {
        (Some(host), Some(port)) => Ok(Endpoint::Tcp { host: host.to_owned(), port }),
        _ => Err(Error::Protocol("the sentinel's answer is no address".into())),
    }
}

/// A sentinel may not have heard of a failover yet: only the server itself knows what it is.
fn check(mut connection: Connection) -> Result<Connection> {
    let role = match connection.command(&[b"ROLE"]) {
        Ok(reply) => reply,
        // An ACL may forbid the question; the first write will tell.
        Err(Error::Reply { .. }) => return Ok(connection),
        Err(error) => return Err(error),
    };
    match role.array().and_then(|parts| parts.first()?.as_str().map(str::to_owned)).as_deref() {
        Some("master") => Ok(connection),
        _ => Err(Error::Unreachable(format!("{} is no master (yet)", connection.name()))),
    }
}
