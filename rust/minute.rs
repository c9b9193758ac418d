//! Writes executions by class into the minute where Sidekiq's metrics page reads them.

use crate::connection::Connection;
use crate::counters::Counts;
use crate::error::{Error, Result};
use crate::keys::civil;
use crate::lua::command;
use crate::resp::Reply;
use crate::scripts::{Call, run_pipeline};
use crate::shared::Core;
use crate::times::Compat;

const MINUTE_TTL: &str = "28800";
const TEN_MINUTES_TTL: &str = "259200";

/// Writes what was counted into the buckets of this minute by Redis's clock. Each class is a transaction of its own: all of it is
/// written, or, when Redis refuses, nothing, and then it waits. When the connection breaks nobody knows, and it is given up; so it is where
/// `MULTI` is refused, since each command has then run by itself.
pub fn write(core: &Core, connection: &mut Connection) -> Result<()> {
    let taken = core.metrics.take();
    if taken.is_empty() {
        return Ok(());
    }
    let moment = Moment::new(core.clock.now_s());
    let mut calls = Vec::new();
    let mut ends = Vec::with_capacity(taken.len());
    for (name, counts) in &taken {
        add_class(&mut calls, core.options.compat, &moment, name, counts);
        ends.push(calls.len() - 1);
    }
    let replies = run_pipeline(connection, &calls)?;
    let refusal = replies.iter().find_map(|reply| match reply {
        Reply::Error { code, message } => Some((code.clone(), message.clone())),
        _ => None,
    });
    if let Some((code, message)) = refusal {
        core.met(&Error::Reply { code, message: format!("{message} (metrics)") });
    }
    for ((name, counts), end) in taken.iter().zip(ends) {
        if matches!(replies.get(end), Some(Reply::Error { code, .. }) if code == "EXECABORT") {
            core.metrics.put_back(name, counts);
        }
    }
    Ok(())
}

fn add_class(calls: &mut Vec<Call>, compat: Option<Compat>, moment: &Moment, name: &str, counts: &Counts) {
    let mut add = |words: &[&str]| calls.push(command(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>()));
    let timed = counts.timed();
    add(&["MULTI"]);
    for (key, ttl) in moment.totals(compat) {
        add(&["HINCRBY", &key, &format!("{name}|p"), &counts.runs().to_string()]);
        if counts.failed > 0 {
            add(&["HINCRBY", &key, &format!("{name}|f"), &counts.failed.to_string()]);
        }
        if timed > 0 {
            add(&["HINCRBY", &key, &format!("{name}|ms"), &counts.millis.to_string()]);
        }
        add(&["EXPIRE", &key, ttl]);
    }
    if timed > 0 {
        let key = moment.histogram(compat, name);
        let mut words = vec!["BITFIELD".to_owned(), key.clone(), "OVERFLOW".into(), "SAT".into()];
        for (number, count) in counts.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
            words.extend(["INCRBY".into(), "u16".into(), format!("#{number}"), count.to_string()]);
        }
        add(&words.iter().map(String::as_str).collect::<Vec<_>>());
        add(&["EXPIRE", &key, MINUTE_TTL]);
    }
    add(&["EXEC"]);
}

/// A minute in UTC, and the names of its keys.
struct Moment {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
}

impl Moment {
    fn new(epoch_seconds: i64) -> Self {
        let (year, month, day) = civil(epoch_seconds.div_euclid(86_400));
        let minutes = epoch_seconds.rem_euclid(86_400) / 60;
        Self { year, month, day, hour: minutes / 60, minute: minutes % 60 }
    }

    /// The hashes of counts, with how long each is kept. Sidekiq 8 has one of ten minutes too: the same name without its last digit.
    fn totals(&self, compat: Option<Compat>) -> Vec<(String, &'static str)> {
        let Self { year, month, day, hour, minute } = self;
        match compat {
            Some(Compat::Sidekiq7) => vec![(format!("j|{year:04}{month:02}{day:02}|{hour}:{minute}"), MINUTE_TTL)],
            None => {
                let date = format!("j|{:02}{month:02}{day:02}", year % 100);
                let ten = minute / 10;
                vec![
                    (format!("{date}|{hour}:{minute:02}"), MINUTE_TTL),
                    (format!("{date}|{hour}:{ten}"), TEN_MINUTES_TTL),
                ]
            }
        }
    }

    fn histogram(&self, compat: Option<Compat>, class: &str) -> String {
        let Self { day, hour, minute, .. } = self;
        match compat {
            Some(Compat::Sidekiq7) => format!("{class}-{day:02}-{hour:02}:{minute}"),
            None => format!("h|{class}-{day}-{hour}:{minute}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22 00:06:09 UTC.
    const THEN: i64 = 1_795_305_969;

    #[test]
    fn keys_are_those_of_sidekiq_8() {
        let moment = Moment::new(THEN);
        let [one, ten] = ["j|261122|0:06", "j|261122|0:0"].map(str::to_owned);
        assert_eq!(moment.totals(None), [(one, "28800"), (ten, "259200")]);
        assert_eq!(moment.histogram(None, "OkJob"), "h|OkJob-22-0:6");
        let late = Moment::new(THEN + 13 * 86_400 + 23 * 3_600 + 47 * 60);
        assert_eq!(late.totals(None)[0].0, "j|261205|23:53");
        assert_eq!(late.totals(None)[1].0, "j|261205|23:5");
        assert_eq!(late.histogram(None, "a.b"), "h|a.b-5-23:53");
    }

    #[test]
    fn keys_are_those_of_sidekiq_7_when_asked_for() {
        let moment = Moment::new(THEN);
        assert_eq!(moment.totals(Some(Compat::Sidekiq7)), [("j|20261122|0:6".to_owned(), "28800")]);
        assert_eq!(moment.histogram(Some(Compat::Sidekiq7), "OkJob"), "OkJob-22-00:6");
    }

    #[test]
    fn the_writes_of_one_class() {
        let mut counts = Counts { failed: 1, millis: 70, ..Counts::default() };
        counts.buckets[0] = 70_000;
        counts.buckets[25] = 1;
        let mut calls = Vec::new();
        add_class(&mut calls, None, &Moment::new(THEN), "Ok", &counts);
        let text = |call: &Call| match call {
            Call::Command(words) => {
                words.iter().map(|word| String::from_utf8_lossy(word)).collect::<Vec<_>>().join(" ")
            }
            Call::Script { .. } => panic!("a script"),
        };
        let lines: Vec<String> = calls.iter().map(text).collect();
        assert_eq!(
            lines,
            [
                "MULTI",
                "HINCRBY j|261122|0:06 Ok|p 70002",
                "HINCRBY j|261122|0:06 Ok|f 1",
                "HINCRBY j|261122|0:06 Ok|ms 70",
                "EXPIRE j|261122|0:06 28800",
                "HINCRBY j|261122|0:0 Ok|p 70002",
                "HINCRBY j|261122|0:0 Ok|f 1",
                "HINCRBY j|261122|0:0 Ok|ms 70",
                "EXPIRE j|261122|0:0 259200",
                "BITFIELD h|Ok-22-0:6 OVERFLOW SAT INCRBY u16 #0 70000 INCRBY u16 #25 1",
                "EXPIRE h|Ok-22-0:6 28800",
                "EXEC",
            ]
        );
    }
}
