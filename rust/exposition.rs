//! The metrics of a process as Prometheus reads them: text format 0.0.4.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::atomic::Ordering;

use crate::clock::now_us;
use crate::histogram::Durations;
use crate::measures::Batches;
use crate::metrics::Total;
use crate::process_hash::{concurrency, rss_kib};
use crate::shared::Core;
use crate::sizes::Sizes;

pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Default)]
struct Page {
    text: String,
    family: &'static str,
}

impl Page {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.family = name;
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, value: impl Display) {
        self.labelled("", &[], value);
    }

    /// Of the family with this ending of its name.
    fn labelled(&mut self, ending: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.text, "{}{ending}", self.family);
        for (at, (name, text)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{name}=\"", if at == 0 { '{' } else { ',' });
            escape(&mut self.text, text);
            self.text.push('"');
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    /// `bounds` in units of which so many make a second, with the counts of their own.
    fn histogram(&mut self, labels: &[(&str, &str)], bounds: &[(u64, u64)], unit: f64, longer: u64, micros: u64) {
        let mut count = 0;
        for (bound, own) in bounds {
            count += own;
            let bound = (*bound as f64 / unit).to_string();
            self.labelled("_bucket", &[labels, &[("le", &bound)]].concat(), count);
        }
        count += longer;
        self.labelled("_bucket", &[labels, &[("le", "+Inf")]].concat(), count);
        self.labelled("_sum", labels, seconds(micros));
        self.labelled("_count", labels, count);
    }
}

fn escape(out: &mut String, text: &str) {
    for char in text.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            char => out.push(char),
        }
    }
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

/// The page. `sizes`: None when Redis did not tell; `is_ready` as `/ready` says.
pub fn page(core: &Core, sizes: Option<&Sizes>, is_ready: bool) -> String {
    let mut page = Page::default();
    about(&mut page, core, is_ready);
    jobs(&mut page, core);
    waiting(&mut page, sizes);
    redis(&mut page, core, sizes.is_some());
    batches(&mut page, core);
    gil(&mut page, core);
    page.text
}

fn about(page: &mut Page, core: &Core, is_ready: bool) {
    let identity = core.identity();
    let labels = [("version", &*core.options.version), ("identity", &identity.name), ("tag", &core.options.tag)];
    page.family("fastkiq_info", "gauge", "What this process is; the value is always 1.");
    page.labelled("", &labels, 1);
    page.family("fastkiq_ready", "gauge", "1 while the process takes jobs, as /ready says; else 0.");
    page.sample(u8::from(is_ready));
    page.family("process_resident_memory_bytes", "gauge", "Resident memory.");
    page.sample(rss_kib() * 1024);
}

fn jobs(page: &mut Page, core: &Core) {
    let sum = |of: fn(&Core) -> u64| core.capsules().map(of).sum::<u64>();
    page.family("fastkiq_busy", "gauge", "Jobs that run now.");
    page.sample(sum(|core| core.ready.lock().busy() as u64));
    page.family("fastkiq_concurrency", "gauge", "The most jobs at once, on threads and as coroutines.");
    page.sample(concurrency(core));
    page.family("fastkiq_processed_total", "counter", "Runs that have ended here, failed ones too.");
    page.sample(sum(|core| core.processed.load(Ordering::Relaxed)));
    page.family("fastkiq_failed_total", "counter", "Runs that have failed here.");
    page.sample(sum(|core| core.failed.load(Ordering::Relaxed)));
    let classes = classes(core);
    page.family("fastkiq_job_failures_total", "counter", "Runs that have failed here, by class.");
    for (class, total) in &classes {
        page.labelled("", &[("class", class)], total.failed);
    }
    let help = "How long the runs took that ended here without failure, by class.";
    page.family("fastkiq_job_duration_seconds", "histogram", help);
    for (class, total) in &classes {
        let (bounds, longer) = total.buckets.split_at(total.buckets.len().saturating_sub(1));
        let longer = longer.first().map_or(0, |(_, count)| *count);
        page.histogram(&[("class", class)], bounds, 1e3, longer, total.micros);
    }
}

/// Of all capsules together.
fn classes(core: &Core) -> BTreeMap<String, Total> {
    let mut all: BTreeMap<String, Total> = BTreeMap::new();
    for (class, total) in core.capsules().flat_map(|capsule| capsule.metrics.totals()) {
        match all.get_mut(&class) {
            Some(sum) => sum.add(&total),
            None => drop(all.insert(class, total)),
        }
    }
    all
}

fn waiting(page: &mut Page, sizes: Option<&Sizes>) {
    let Some(sizes) = sizes else { return };
    page.family("fastkiq_queue_size", "gauge", "Jobs that wait in a queue that this process serves.");
    for queue in &sizes.queues {
        page.labelled("", &[("queue", &queue.name)], queue.size);
    }
    let help = "How long the next job of a queue has waited; 0 when there is none.";
    page.family("fastkiq_queue_latency_seconds", "gauge", help);
    for queue in &sizes.queues {
        if let Some(latency) = queue.latency {
            page.labelled("", &[("queue", &queue.name)], latency);
        }
    }
    page.family("fastkiq_set_size", "gauge", "Jobs in the sets retry, schedule and dead, of all processes.");
    for (set, size) in &sizes.sets {
        page.labelled("", &[("set", set)], size);
    }
}

fn redis(page: &mut Page, core: &Core, is_up: bool) {
    page.family("fastkiq_redis_up", "gauge", "1 when Redis has told the sizes for this scrape; else 0.");
    page.sample(u8::from(is_up));
    page.family("fastkiq_redis_rtt_seconds", "gauge", "The last heartbeat's way to Redis and back.");
    page.sample(seconds(core.measures.rtt_us.load(Ordering::Relaxed)));
    let now = now_us();
    let ages: Option<Vec<u64>> = core.capsules().map(|each| Some(now.saturating_sub(each.last_beat_us()?))).collect();
    if let Some(oldest) = ages.and_then(|ages| ages.into_iter().max()) {
        let help = "Time since Redis last confirmed a heartbeat; of several capsules the longest.";
        page.family("fastkiq_heartbeat_age_seconds", "gauge", help);
        page.sample(seconds(oldest));
    }
}

fn batches(page: &mut Page, core: &Core) {
    let sum = |of: fn(&Core) -> &Batches| {
        core.capsules().map(|each| of(each).read()).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    };
    let fetched = sum(|core| &core.measures.fetched);
    let acked = sum(|core| &core.measures.acked);
    page.family("fastkiq_fetch_batches_total", "counter", "Replies of Redis that brought jobs.");
    page.sample(fetched.0);
    page.family("fastkiq_fetch_jobs_total", "counter", "Jobs that they brought, those that went back included.");
    page.sample(fetched.1);
    page.family("fastkiq_ack_batches_total", "counter", "Calls by which Redis was told that jobs are done.");
    page.sample(acked.0);
    page.family("fastkiq_ack_jobs_total", "counter", "Jobs that they told of.");
    page.sample(acked.1);
}

fn gil(page: &mut Page, core: &Core) {
    let Durations { buckets, longer, micros } = core.events.answers.read();
    let help = "From the core's call, made at each heartbeat at least, until the main loop answered: how long it \
                waited for the interpreter, unless it was busy itself.";
    page.family("fastkiq_gil_wait_seconds", "histogram", help);
    page.histogram(&[], &buckets, 1e6, longer, micros);
    page.family("fastkiq_gil_waiting_seconds", "gauge", "Time since a call that the main loop has not answered yet.");
    page.sample(seconds(core.events.unanswered_us(now_us())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut page = Page::default();
        page.family("a", "gauge", "Help.");
        page.labelled("", &[("one", "q\"b\\n\nl"), ("two", "é")], 1.5);
        page.sample(2);
        assert_eq!(page.text, "# HELP a Help.\n# TYPE a gauge\na{one=\"q\\\"b\\\\n\\nl\",two=\"é\"} 1.5\na 2\n");
    }

    #[test]
    fn buckets_hold_those_below_them() {
        let mut page = Page::default();
        page.family("h", "histogram", "Help.");
        page.histogram(&[("class", "C")], &[(20, 3), (335_000, 4)], 1e3, 5, 2_500_000);
        let lines: Vec<&str> = page.text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "h_bucket{class=\"C\",le=\"0.02\"} 3",
                "h_bucket{class=\"C\",le=\"335\"} 7",
                "h_bucket{class=\"C\",le=\"+Inf\"} 12",
                "h_sum{class=\"C\"} 2.5",
                "h_count{class=\"C\"} 12",
            ]
        );
    }
}
