//! Cron expressions: what they mean, when they come next, and what they are called in English.
//!
//! `croner` reads them and searches; daylight saving is decided here. An expression whose minute and hour are both said (neither begins
//! with `*`) names fixed times: one that the clock skips comes at the first moment after the gap, one that it repeats comes the first
//! time only. All others run through: they come at each moment whose wall clock time fits.

use croner::parser::{CronParser, Seconds, Year};
use croner::{Cron, Weekday};
use jiff::civil::{Date, DateTime, date};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};

const DAY: SignedDuration = SignedDuration::from_hours(24);
const LONGEST: usize = 200;
const LONGEST_ZONE: usize = 64;

/// One expression in one time zone.
pub struct Expression {
    cron: Cron,
    zone: TimeZone,
    is_fixed: bool,
    /// Some year has a day that fits: croner searches thousands of them, for a tenth of a second, before it gives up.
    comes: bool,
}

impl Expression {
    /// Says what is wrong with the expression, or with the name of the zone.
    pub fn parse(text: &str, zone: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("is longer than {LONGEST} characters"));
        }
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let cron = parser.parse(text).map_err(|error| format!("is no cron expression: {}", reason(&error)))?;
        Ok(Self { comes: has_a_day(&cron), cron, zone: zone_of(zone)?, is_fixed: is_fixed(text) })
    }

    /// The first tick after `after`, both in epoch seconds; None when none comes.
    pub fn next(&self, after: i64) -> Option<i64> {
        let after = self.comes.then(|| Timestamp::from_second(after).ok())??;
        if !self.is_fixed {
            let start = after.to_zoned(self.zone.clone());
            return self.cron.find_next_occurrence(&start, false).ok().map(|next| next.timestamp().as_second());
        }
        let mut local = self.zone.to_datetime(after);
        loop {
            local = self.cron.find_next_occurrence(&local, false).ok()?;
            let next = self.moment(local)?;
            if next > after {
                return Some(next.as_second());
            }
        }
    }

    /// The last tick at or before `until`, both in epoch seconds.
    pub fn latest(&self, until: i64) -> Option<i64> {
        let until = self.comes.then(|| Timestamp::from_second(until).ok())??;
        if !self.is_fixed {
            let start = until.to_zoned(self.zone.clone());
            return self.cron.find_previous_occurrence(&start, true).ok().map(|tick| tick.timestamp().as_second());
        }
        // In a repeated hour the wall clock shows less than it has shown already.
        let turned =
            self.zone.preceding(until).next().is_some_and(|change| until.duration_since(change.timestamp()) < DAY);
        let ahead = if turned { DAY } else { SignedDuration::ZERO };
        let mut local = self.zone.to_datetime(until).checked_add(ahead).ok()?;
        let mut inclusive = true;
        loop {
            local = self.cron.find_previous_occurrence(&local, inclusive).ok()?;
            inclusive = false;
            let tick = self.moment(local)?;
            if tick <= until {
                return Some(tick.as_second());
            }
        }
    }

    /// When a wall clock shows this time first, or has just skipped it.
    fn moment(&self, local: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(local);
        if let AmbiguousOffset::Gap { after, .. } = ambiguous.offset() {
            // By the later offset it lies before the gap, whose end is the next thing that happens to this clock.
            let before = after.to_timestamp(local).ok()?;
            return self.zone.following(before).next().map(|transition| transition.timestamp());
        }
        ambiguous.earlier().ok()
    }

    pub fn describe(&self) -> String {
        self.cron.describe()
    }
}

/// Whether it fits any day: in 28 years each date falls on each day of the week.
fn has_a_day(cron: &Cron) -> bool {
    let is_month = |date: &Date| cron.pattern.month_match(date.month().unsigned_abs().into()).unwrap_or(false);
    let fits = |date: Date| {
        let weekday = Weekday::from_days_from_sunday(date.weekday().to_sunday_zero_offset().unsigned_abs().into());
        let (year, month, day) = (date.year().into(), date.month().unsigned_abs().into(), date.day().unsigned_abs());
        cron.pattern.day_match(year, month, day.into(), weekday).unwrap_or(false)
    };
    date(2001, 1, 1)
        .series(1.month())
        .take(28 * 12)
        .filter(is_month)
        .any(|first| first.series(1.day()).take_while(|day| day.month() == first.month()).any(fits))
}

/// The zone of this IANA name, from the system's database, or from the one that is built in.
pub fn zone_of(name: &str) -> Result<TimeZone, String> {
    let is_name = name.len() <= LONGEST_ZONE && name.bytes().all(|byte| byte.is_ascii_graphic());
    let zone = if is_name { TimeZone::get(name).ok() } else { None };
    zone.ok_or_else(|| format!("there is no time zone {:?}", name.chars().take(LONGEST_ZONE).collect::<String>()))
}

fn is_fixed(text: &str) -> bool {
    if text.trim_start().starts_with('@') {
        return !text.trim().eq_ignore_ascii_case("@hourly");
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    let said = |field: Option<&&str>| field.is_some_and(|field| !field.starts_with(['*', '?']));
    let minute = fields.len().saturating_sub(5);
    said(fields.get(minute)) && said(fields.get(minute + 1))
}

/// In words of ours where croner's are about itself.
fn reason(error: &croner::errors::CronError) -> String {
    use croner::errors::CronError::{ComponentError, EmptyPattern, IllegalCharacters, InvalidPattern};
    match error {
        EmptyPattern => "it is empty".into(),
        InvalidPattern(text) | IllegalCharacters(text) | ComponentError(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(text: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let expression = Expression::parse(text, zone).unwrap();
        let mut at = after.parse::<Timestamp>().unwrap().as_second();
        std::iter::from_fn(|| {
            at = expression.next(at)?;
            Some(Timestamp::from_second(at).unwrap().to_string())
        })
        .take(count)
        .collect()
    }

    #[test]
    fn a_fixed_time_in_a_gap_comes_right_after_it() {
        let found = ticks("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2);
        assert_eq!(found, ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
        let found = ticks("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", 2); // half an hour is skipped
        assert_eq!(found, ["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"]);
    }

    #[test]
    fn what_never_comes_is_known_at_once() {
        for text in ["0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "* * 31 4 *", "0 0 0 30,31 2 *", "*/5 * 30 2 +fri"] {
            let expression = Expression::parse(text, "Europe/Berlin").unwrap();
            let found = (expression.comes, expression.next(0), expression.latest(1_800_000_000));
            assert_eq!(found, (false, None, None), "{text}");
        }
        for text in [
            "0 0 29 2 *",
            "0 0 29 2 +mon",
            "0 0 31 2 mon",
            "0 0 L 2 *",
            "0 0 31W 1 *",
            "0 0 * * mon#5",
            "0 0 31 * +fri#L",
        ] {
            let expression = Expression::parse(text, "UTC").unwrap();
            let searched = expression.cron.find_next_occurrence(&date(2026, 1, 1).at(0, 0, 0, 0), false).is_ok();
            assert!(searched && expression.next(0).is_some(), "{text}");
        }
    }

    #[test]
    fn several_fixed_times_in_a_gap_are_one_tick() {
        let found = ticks("0,30 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 2);
        assert_eq!(found, ["2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"]);
    }

    #[test]
    fn a_fixed_time_in_a_repeated_hour_comes_once() {
        let found = ticks("30 2 * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 2);
        assert_eq!(found, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
        let in_the_second_hour = ticks("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", 1);
        assert_eq!(in_the_second_hour, ["2026-10-26T01:30:00Z"]);
    }

    #[test]
    fn what_is_not_fixed_runs_through() {
        let found = ticks("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 4);
        assert_eq!(
            found,
            ["2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z"]
        );
        let found = ticks("0 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 2);
        assert_eq!(found, ["2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"]);
    }

    #[test]
    fn seconds_names_and_nicknames_are_read() {
        assert_eq!(ticks("*/20 * * * * *", "UTC", "2026-01-01T00:00:05Z", 1), ["2026-01-01T00:00:20Z"]);
        assert_eq!(ticks("0 6 * jan mon-fri", "UTC", "2026-01-02T07:00:00Z", 1), ["2026-01-05T06:00:00Z"]);
        assert_eq!(ticks("0 0 L * *", "UTC", "2026-02-01T00:00:00Z", 1), ["2026-02-28T00:00:00Z"]);
        assert_eq!(ticks("0 0 * * 5#2", "UTC", "2026-01-01T00:00:00Z", 1), ["2026-01-09T00:00:00Z"]);
        assert_eq!(ticks("@daily", "America/New_York", "2026-07-01T00:00:00Z", 1), ["2026-07-01T04:00:00Z"]);
    }

    #[test]
    fn the_latest_tick_is_the_one_that_came_next_before() {
        let texts =
            ["30 2 * * *", "0,30 1-3 * * *", "*/15 * * * *", "0 * * * *", "*/15 2 * * *", "5 4 * * sun", "0 0 1 * *"];
        for (zone, month) in
            [("Europe/Berlin", "2026-03-27"), ("Europe/Berlin", "2026-10-23"), ("Australia/Lord_Howe", "2026-04-03")]
        {
            for text in texts {
                let expression = Expression::parse(text, zone).unwrap();
                let mut at = format!("{month}T00:00:00Z").parse::<Timestamp>().unwrap().as_second();
                for _ in 0..500 {
                    let next = expression.next(at).unwrap();
                    for later in [0, 1, 59] {
                        if expression.next(next).unwrap() > next + later {
                            assert_eq!(expression.latest(next + later), Some(next), "{text} {zone} {next}");
                        }
                    }
                    at = next;
                }
            }
        }
    }

    #[test]
    fn what_never_comes_has_no_next() {
        assert!(ticks("0 0 30 2 *", "UTC", "2026-01-01T00:00:00Z", 1).is_empty());
        assert!(Expression::parse("0 0 1 1 *", "UTC").unwrap().next(i64::MAX).is_none());
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "* * *", "61 * * * *", "0 0 * * mon-xyz", "* * * * * * 2030", "a b c d e", "@reboot"] {
            assert!(Expression::parse(text, "UTC").is_err(), "{text}");
        }
        for zone in ["", "Europe/Nowhere", "../../etc/passwd", "Europe/Berlin\n"] {
            assert!(Expression::parse("* * * * *", zone).is_err(), "{zone:?}");
        }
    }
}
