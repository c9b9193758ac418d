//! What this process declares: kept in Redis for as long as a process lives that holds it, and no living one holds a newer definition.

use std::sync::Arc;

use crate::connection::Connection;
use crate::cron::definition::{Definition, When, milliseconds, score};
use crate::cron::plan::{Next, first};
use crate::cron::{Cron, refused, sha};
use crate::error::{Error, Result};
use crate::events::WARNING;
use crate::flight::Identity;
use crate::keys;
use crate::lua::{CRON_HOLD, command};
use crate::resp::Reply;
use crate::scripts::run_pipeline;
use crate::shared::Core;

/// Digests of one entry that are remembered after their holders are gone.
const REMEMBERED: &[u8] = b"32";
/// Others that change the same entry meanwhile: after so many tries the next look goes on.
const TRIES: usize = 3;

/// A definition that this process declares.
pub struct Holding {
    pub definition: Definition,
    digest: String,
    /// Under which of our identities it was entered.
    epoch: Option<u64>,
}

impl Holding {
    pub fn new(definition: Definition) -> Self {
        let digest = sha(&definition.raw);
        Self { definition, digest, epoch: None }
    }

    /// Its time as the entry's state asks for it: nothing where it stays as it is.
    fn next(&self, kept: &Kept, now: i64) -> Option<Next> {
        let stored = kept.definition.as_ref().filter(|stored| stored.spec == self.definition.spec);
        if !self.definition.enabled {
            return Some(Next::None);
        }
        let Some(stored) = stored.filter(|stored| stored.enabled) else {
            return Some(first(&self.definition, now));
        };
        if kept.next.is_some() {
            return None;
        }
        if let Some(at) = kept.orphan.as_deref().and_then(milliseconds) {
            return Some(Next::At(at)); // the tick that it had when nobody held it
        }
        // One that comes once has come.
        let recurs = !matches!(stored.when, When::At(_) | When::In(_));
        recurs.then(|| first(&self.definition, now))
    }
}

/// What Redis has of an entry.
struct Kept {
    raw: Option<Vec<u8>>,
    definition: Option<Definition>,
    next: Option<String>,
    /// The time that it had when it became an orphan.
    orphan: Option<String>,
}

impl Cron {
    /// Whether this process declares exactly this definition.
    pub fn holds(&self, name: &str, stored: &[u8]) -> bool {
        self.holding.iter().any(|own| own.definition.name == name && own.definition.is_kept_as(stored))
    }

    /// Looks whether Redis still has what this process declares, and enters it where not; whether there was any such.
    pub fn check(&mut self, core: &Core, connection: &mut Connection) -> Result<bool> {
        let identity = core.identity();
        let mut words: [Vec<&[u8]>; 2] = [vec![b"HMGET", keys::CRON], vec![b"ZMSCORE", keys::CRON_NEXT]];
        for own in &self.holding {
            for words in &mut words {
                words.push(own.definition.name.as_bytes());
            }
        }
        let mut replies = run_pipeline(connection, &words.map(|words| command(&words)))?.into_iter();
        let mut answer = || -> Result<Vec<Reply>> {
            replies.next().unwrap_or(Reply::Nil).into_result().map(|reply| reply.array().unwrap_or_default())
        };
        let (stored, scores) = (answer()?, answer()?);
        let mut entered = false;
        for ((own, stored), score) in self.holding.iter_mut().zip(stored).zip(scores) {
            let is_kept = stored.bytes().is_some_and(|stored| own.definition.is_kept_as(&stored));
            let comes_once = matches!(own.definition.when, When::At(_) | When::In(_));
            let has_time = score.as_str().is_some() || !own.definition.enabled || comes_once;
            if !is_kept || !has_time || own.epoch != Some(identity.epoch) {
                let done = enter(core, connection, own, &identity);
                entered |= refused(core, done)?.is_some();
            }
        }
        Ok(entered)
    }

    /// Enters one of ours anew: somebody else's definition is in force.
    pub fn contest(&mut self, core: &Core, connection: &mut Connection, name: &str) -> Result<()> {
        let identity = core.identity();
        match self.holding.iter_mut().find(|own| own.definition.name == name) {
            Some(own) => refused(core, enter(core, connection, own, &identity)).map(|_| ()),
            None => Ok(()),
        }
    }
}

fn enter(core: &Core, connection: &mut Connection, own: &mut Holding, identity: &Arc<Identity>) -> Result<()> {
    let name = own.definition.name.clone();
    for _ in 0..TRIES {
        let kept = read(connection, &name)?;
        let now = core.clock.now_ms();
        let next = own.next(&kept, now);
        let at = match (&next, &kept.definition) {
            (Some(Next::At(at)), _) | (_, Some(Definition { when: When::At(at), .. })) => *at,
            _ => now,
        };
        let (raw, had) = (own.definition.kept(at), kept.raw.as_deref().map(sha).unwrap_or_default());
        let next = match next {
            None => "keep".into(),
            Some(Next::At(at)) => score(at),
            Some(Next::None | Next::In(_)) => "none".into(),
        };
        let answer = CRON_HOLD.run(
            connection,
            &[
                keys::CRON,
                keys::CRON_NEXT,
                keys::ALIVE,
                keys::CRON_ORPHANS,
                &keys::cron_held(&name),
                &keys::cron_seen(&name),
            ],
            &[
                identity.name.as_bytes(),
                name.as_bytes(),
                own.digest.as_bytes(),
                had.as_bytes(),
                &raw,
                next.as_bytes(),
                REMEMBERED,
            ],
        )?;
        match answer.as_str() {
            Some("changed") => continue,
            Some("won") if kept.definition.is_some_and(|stored| stored.is_api) => {
                let text = format!("{name:?} was added at run time; the definition of this code takes its place");
                core.events.log(WARNING, format!("the recurring job {text}"));
            }
            Some("won" | "lost") => {}
            Some("fenced") => return Ok(()), // the next beat enters us anew
            _ => return Err(Error::Protocol("a recurring job's entry was answered with something else".into())),
        }
        own.epoch = Some(identity.epoch);
        return Ok(());
    }
    Ok(())
}

fn read(connection: &mut Connection, name: &str) -> Result<Kept> {
    let name = name.as_bytes();
    let calls = [
        command(&[b"HGET", keys::CRON, name]),
        command(&[b"ZSCORE", keys::CRON_NEXT, name]),
        command(&[b"HGET", keys::CRON_ORPHANS, name]),
    ];
    let replies: Result<Vec<Reply>> = run_pipeline(connection, &calls)?.into_iter().map(Reply::into_result).collect();
    let mut replies = replies?.into_iter();
    let raw = replies.next().and_then(Reply::bytes);
    let mut text = || replies.next().and_then(|reply| reply.as_str().map(str::to_owned));
    let (next, orphan) = (text(), text());
    let orphan = orphan.and_then(|line| line.split_once(' ').map(|(_, at)| at.to_owned()));
    let definition = raw.as_deref().and_then(|raw| Definition::parse(raw).ok());
    Ok(Kept { raw, definition, next, orphan })
}
