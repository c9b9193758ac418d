//! Names of Redis keys. Sidekiq's own are plain; fastkiq's start with `fastkiq:`.

/// Version of the key layout, kept in each process record: a version reads what those before it wrote (`schema.rs`).
pub const SCHEMA: &str = "1";

pub const ALIVE: &[u8] = b"fastkiq:alive";
pub const TOMBS: &[u8] = b"fastkiq:tombs";
pub const SUSPECTS: &[u8] = b"fastkiq:suspects";
/// Channel on which a push that falls due within a second is announced.
pub const SCHEDULED_CHANNEL: &[u8] = b"fastkiq:scheduled";
/// Recurring jobs: name -> definition, and those with a tick to come.
pub const CRON: &[u8] = b"fastkiq:cron";
pub const CRON_NEXT: &[u8] = b"fastkiq:cron:next";
pub const CRON_PAUSED: &[u8] = b"fastkiq:cron:paused";
/// Those that no living process holds.
pub const CRON_ORPHANS: &[u8] = b"fastkiq:cron:orphans";
/// When a process last looked after all of them.
pub const CRON_SWEPT: &[u8] = b"fastkiq:cron:swept";
pub const QUEUES: &[u8] = b"queues";
pub const PAUSED: &[u8] = b"paused";
pub const PROCESSES: &[u8] = b"processes";
/// Sidekiq's lock on cleaning the set of processes.
pub const CLEANUP: &[u8] = b"process_cleanup";
pub const SCHEDULE: &[u8] = b"schedule";
pub const RETRY: &[u8] = b"retry";
pub const DEAD: &[u8] = b"dead";
pub const STAT_PROCESSED: &[u8] = b"stat:processed";
pub const STAT_FAILED: &[u8] = b"stat:failed";
/// Sidekiq keeps daily counts for five years of 365 days.
pub const DAILY_TTL: &[u8] = b"157680000";

/// No claim holds more payload than this, besides one job that is larger by itself: what is read at once must be begun at once. With 64 MiB,
/// 30 jobs of 4 MB took 15 s instead of 1, going back and forth.
pub const MOST_BYTES: u64 = 4_194_304;

pub fn queue(name: &str) -> Vec<u8> {
    join(&["queue:", name])
}

/// The list that one claim of one process fills. Number 0 is the one that blocking moves feed; others are never used twice,
/// so that a command delayed on a dead connection cannot touch a later claim.
pub fn flight(identity: &str, queue: &str, number: u64) -> Vec<u8> {
    join(&["fastkiq:flight:", identity, ":", &flight_member(queue, number)])
}

/// How a claim is entered in `fastkiq:flights:<id>`.
pub fn flight_member(queue: &str, number: u64) -> String {
    format!("{queue}:{number}")
}

/// The set of a process's claims that are not yet acked whole.
pub fn flights(identity: &str) -> Vec<u8> {
    join(&["fastkiq:flights:", identity])
}

/// What others must know to recover a process: its queues and how to prove its death.
pub fn process(identity: &str) -> Vec<u8> {
    join(&["fastkiq:process:", identity])
}

/// The processes of one machine (boot and pid namespace): id -> pid and start time.
pub fn machine(machine: &str) -> Vec<u8> {
    join(&["fastkiq:machine:", machine])
}

/// What a process answers to `STACKS`: the stacks of what it ran at that moment.
pub fn stacks(identity: &str) -> Vec<u8> {
    join(&["fastkiq:stacks:", identity])
}

/// The latest ticks of a recurring job.
pub fn cron_history(name: &str) -> Vec<u8> {
    join(&["fastkiq:cron:history:", name])
}

/// Which process holds which definition of a recurring job.
pub fn cron_held(name: &str) -> Vec<u8> {
    join(&["fastkiq:cron:held:", name])
}

/// When each definition of a recurring job was first seen.
pub fn cron_seen(name: &str) -> Vec<u8> {
    join(&["fastkiq:cron:seen:", name])
}

pub fn work(identity: &str) -> Vec<u8> {
    join(&[identity, ":work"])
}

pub fn signals(identity: &str) -> Vec<u8> {
    join(&[identity, "-signals"])
}

/// `stat:processed:YYYY-MM-DD` and its like, in UTC.
pub fn daily(stat: &[u8], epoch_seconds: i64) -> Vec<u8> {
    let (year, month, day) = civil(epoch_seconds.div_euclid(86_400));
    let mut key = stat.to_vec();
    key.extend_from_slice(format!(":{year:04}-{month:02}-{day:02}").as_bytes());
    key
}

fn join(parts: &[&str]) -> Vec<u8> {
    parts.concat().into_bytes()
}

/// Days since 1970-01-01 to a date of the Gregorian calendar (the usual era arithmetic with years that begin in March).
pub fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_779), (2026, 11, 22));
        assert_eq!(daily(STAT_FAILED, 1_795_305_969), b"stat:failed:2026-11-22");
    }

    #[test]
    fn a_flight_names_process_queue_and_claim() {
        assert_eq!(flight("vm:1:ab", "mail", 7), b"fastkiq:flight:vm:1:ab:mail:7");
    }
}
