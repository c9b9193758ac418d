//! A process as Sidekiq's readers see it: the hash `<id>` with its `info`, and the work in progress in `<id>:work`.

use std::sync::atomic::Ordering;

use crate::clock::now_us;
use crate::encode::write_string;
use crate::flight::Identity;
use crate::floats::write_float;
use crate::keys;
use crate::lua::command;
use crate::options::Queue;
use crate::payload::splice;
use crate::phase::Phase;
use crate::running::Running;
use crate::safe::{Place, mended};
use crate::scripts::Call;
use crate::shared::Core;

/// Sidekiq's readers take a process whose hash has expired for dead.
const TTL: &[u8] = b"60";
/// Longer payloads are shown without their args: they are written anew at each beat.
const SHOWN: usize = 64 * 1024;

/// The writes of one beat.
pub fn calls(core: &Core, identity: &Identity, info: &[u8]) -> Vec<Call> {
    let running: Vec<(&Core, Running)> =
        core.capsules().flat_map(|capsule| capsule.running().into_iter().map(move |each| (capsule, each))).collect();
    let name = identity.name.as_bytes();
    let work = keys::work(&identity.name);
    let mut calls = vec![command(&[b"UNLINK", &work])];
    if !running.is_empty() {
        let mut words = vec![b"HSET".to_vec(), work.clone()];
        for (capsule, running) in &running {
            words.push(running.job.thread_id().into_bytes());
            words.push(work_entry(capsule, running));
        }
        calls.push(Call::Command(words));
        calls.push(command(&[b"EXPIRE", &work, TTL]));
    }
    let mut info = info.to_vec();
    info.extend_from_slice(b",\"identity\":");
    write_string(&mut info, &identity.name);
    info.push(b'}');
    #[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 fit into 53 bits until 2255")]
    let beat = format!("{:.6}", core.clock.now_us() as f64 / 1e6);
    let concurrency = concurrency(core);
    let quiet: &[u8] = if core.phase() == Phase::Running { b"false" } else { b"true" };
    calls.push(command(&[b"SADD", keys::PROCESSES, name]));
    calls.push(command(&[
        b"HSET",
        name,
        b"info",
        &info,
        b"concurrency",
        concurrency.to_string().as_bytes(),
        b"busy",
        running.len().to_string().as_bytes(),
        b"beat",
        beat.as_bytes(),
        b"rtt_us",
        core.measures.rtt_us.load(Ordering::Relaxed).to_string().as_bytes(),
        b"quiet",
        quiet,
        b"rss",
        rss_kib().to_string().as_bytes(),
    ]));
    calls.push(command(&[b"EXPIRE", name, TTL]));
    calls
}

/// What the capsules run their jobs on, by the names that readers see, with how many at once: threads and, where there are coroutines, those.
fn pools(core: &Core) -> Vec<(&Core, String, usize)> {
    let mut taken: Vec<String> = core.capsules().map(|capsule| capsule.options.capsule.clone()).collect();
    let mut pools = Vec::new();
    for capsule in core.capsules() {
        let options = &capsule.options;
        pools.push((capsule, options.capsule.clone(), options.concurrency));
        if capsule.has_async {
            let mut name = if capsule.speaks() { "async".to_owned() } else { format!("{}-async", options.capsule) };
            // Ruby refuses an object that has a key twice.
            while taken.contains(&name) {
                name.push_str("-async");
            }
            taken.push(name.clone());
            pools.push((capsule, name, options.async_concurrency));
        }
    }
    pools
}

/// The most jobs at once, of all capsules, on threads and as coroutines.
pub fn concurrency(core: &Core) -> usize {
    pools(core).iter().map(|(_, _, most)| most).sum()
}

fn weights(core: &Core) -> String {
    let weight = |queue: &Queue| format!("{}:{}", quoted(&queue.name), queue.weight);
    format!("{{{}}}", core.options.queues.iter().map(weight).collect::<Vec<_>>().join(","))
}

/// The static part of Sidekiq's `info`, open at its end for the identity.
pub fn info(core: &Core, started_at: f64) -> Vec<u8> {
    let options = &core.options;
    let shown = |(capsule, name, most): (&Core, String, usize)| {
        let (mode, weights) = (capsule.options.mode(), weights(capsule));
        format!("{}:{{\"concurrency\":{most},\"mode\":\"{mode}\",\"weights\":{weights}}}", quoted(&name))
    };
    let capsules: Vec<String> = pools(core).into_iter().map(shown).collect();
    let mut names: Vec<String> = Vec::new();
    for capsule in core.capsules() {
        let own = capsule.options.queues.iter().map(|queue| quoted(&queue.name));
        names.extend(own.filter(|name| !names.contains(name)).collect::<Vec<_>>());
    }
    let weights: Vec<String> = core.capsules().map(weights).collect();
    let threads: usize = core.capsules().map(|capsule| capsule.options.concurrency).sum();
    let labels: Vec<String> = options.labels.iter().map(|label| quoted(label)).collect();
    let mut started = Vec::new(); // in Ruby's digits: `.2`, not `.200000`
    write_float(&mut started, (started_at * 1e6).round() / 1e6);
    let started = String::from_utf8_lossy(&started).into_owned();
    format!(
        "{{\"hostname\":{},\"started_at\":{started},\"pid\":{},\"tag\":{},\"concurrency\":{},\"capsules\":{{{}}},\"queues\":[{}],\"weights\":[{}],\"labels\":[{}],\"version\":{},\"embedded\":false",
        quoted(&options.hostname),
        core.pid,
        quoted(&options.tag),
        threads,
        capsules.join(","),
        names.join(","),
        weights.join(","),
        labels.join(","),
        quoted(&format!("fastkiq {}", options.version)),
    )
    .into_bytes()
}

fn quoted(text: &str) -> String {
    let mut out = Vec::new();
    write_string(&mut out, text);
    String::from_utf8_lossy(&out).into_owned()
}

/// `{"queue":…,"payload":"<the stored JSON as a string>","run_at":<seconds>}`.
fn work_entry(core: &Core, running: &Running) -> Vec<u8> {
    let queue = core.options.queues.get(running.job.queue).map_or("", |queue| &queue.name);
    let ago = now_us().saturating_sub(running.started_us) / 1_000_000;
    let run_at = core.clock.now_s() - i64::try_from(ago).unwrap_or(0);
    let mut out = b"{\"queue\":".to_vec();
    write_string(&mut out, queue);
    out.extend_from_slice(b",\"payload\":");
    let job = &running.job;
    let mended = job.envelope.is_odd.then(|| {
        let place = Place { queue, now_ms: core.clock.now_ms(), compat: core.options.compat };
        mended(&job.bytes, place)
    });
    let bytes = mended.as_ref().unwrap_or(&job.bytes);
    let short =
        (bytes.len() > SHOWN).then(|| splice(bytes, &[("args", Some(b"[\"(too long to show)\"]"))]).ok()).flatten();
    write_string(&mut out, &String::from_utf8_lossy(short.as_ref().unwrap_or(bytes)));
    out.extend_from_slice(format!(",\"run_at\":{run_at}}}").as_bytes());
    out
}

/// Resident memory in KiB; 0 where it cannot be told.
pub fn rss_kib() -> u64 {
    if let Ok(statm) = std::fs::read_to_string("/proc/self/statm") {
        // SAFETY: a plain query of a constant.
        let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
        return statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * page / 1024;
    }
    // SAFETY: rusage is plain data that the call fills; all zeroes is a valid value of it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    u64::try_from(usage.ru_maxrss).unwrap_or(0) / 1024
}
