//! What became of pushes.

use crate::error::Error;
use crate::url::RedisUrl;

/// What became of one parcel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    Pushed,
    /// Definitely not enqueued: never sent, or refused.
    Refused,
    /// Sent, and the reply was lost.
    Uncertain,
}

/// Why not all went well, and the fate of each parcel.
pub struct Failure {
    pub error: Error,
    pub fates: Vec<Fate>,
}

impl Failure {
    /// Nothing was enqueued, since Redis is not there, or not yet.
    pub fn is_outage(&self) -> bool {
        let away = match &self.error {
            Error::Unreachable(_) => true,
            Error::Reply { code, .. } => matches!(code.as_str(), "LOADING" | "MASTERDOWN"),
            _ => false,
        };
        away && self.fates.iter().all(|fate| *fate == Fate::Refused)
    }

    /// Whether another connection may do better, and nothing has been or may have been enqueued.
    pub fn is_curable(&self, url: &RedisUrl) -> bool {
        let curable = match &self.error {
            Error::Unreachable(_) => true,
            error => error.code() == Some("LOADING") || error.wants_reconnect(url),
        };
        curable && self.fates.iter().all(|fate| *fate == Fate::Refused)
    }
}
