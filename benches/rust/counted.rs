//! What runs under callgrind, by benches/counts.py: each case between two calls of `getppid`, which cut the profile.
//! Prints `[[case, operations], ...]` in the order of the cuts, as benches/micro/counted.py does for what Python calls.

use std::hint::black_box;
use std::os::unix::process::parent_id;

use fastkiq_core::bench::{Pipeline, RedisUrl, Scanner, hex, reply, scan, splice, write_float, write_string};

const CALLS: usize = 300;
/// Jobs of one claim, or of one bulk push.
const BATCH: usize = 100;
const LIMIT: usize = 8 << 20;

const PAYLOAD: &[u8] = br#"{"retry":true,"queue":"fastkiq-bench","args":["string",1234,{"mike":"bob"}],"class":"samples.Nothing","jid":"0123456789abcdef01234567","created_at":1795305991439,"enqueued_at":1795305991439}"#;
const FAILURE: [(&str, Option<&[u8]>); 5] = [
    ("error_message", Some(br#""no route to host""#)),
    ("error_class", Some(br#""OSError""#)),
    ("failed_at", Some(b"1795305991500")),
    ("retry_count", Some(b"0")),
    ("enqueued_at", None),
];

/// Runs the case `CALLS` times between two cuts, and once before the first.
fn case<T>(cases: &mut Vec<String>, name: &str, mut call: impl FnMut() -> T) {
    black_box(call());
    black_box(parent_id());
    for _ in 0..CALLS {
        black_box(call());
    }
    black_box(parent_id());
    cases.push(format!("[\"{name}\", {CALLS}]"));
}

/// What Redis answers to a claim of `BATCH` jobs.
fn claimed() -> Vec<u8> {
    let mut answer = format!("*{BATCH}\r\n").into_bytes();
    for _ in 0..BATCH {
        answer.extend_from_slice(format!("${}\r\n", PAYLOAD.len()).as_bytes());
        answer.extend_from_slice(PAYLOAD);
        answer.extend_from_slice(b"\r\n");
    }
    answer
}

fn main() {
    let mut cases = Vec::new();
    let claim = claimed();
    let text = "Invoice 17, Zoë \"O'Neil\"\n".repeat(8);
    let mut out = Vec::with_capacity(1 << 16);
    let mut pipeline = Pipeline::new();

    case(&mut cases, "scan", || scan(black_box(PAYLOAD), LIMIT));
    case(&mut cases, "splice", || splice(black_box(PAYLOAD), &FAILURE));
    case(&mut cases, "end of a reply of 100", || Scanner::new().advance(black_box(&claim)));
    case(&mut cases, "reply of 100", || reply(black_box(&claim)));
    case(&mut cases, "LPUSH of 100", || {
        pipeline.clear();
        pipeline.begin(BATCH + 2);
        pipeline.word(b"LPUSH");
        pipeline.word(b"queue:fastkiq-bench");
        for _ in 0..BATCH {
            pipeline.word(black_box(PAYLOAD));
        }
        pipeline.bytes().len()
    });
    case(&mut cases, "string", || {
        out.clear();
        write_string(&mut out, black_box(&text));
    });
    case(&mut cases, "float", || {
        out.clear();
        write_float(&mut out, black_box(1_795_305_991.439_716));
    });
    case(&mut cases, "jid", || hex(black_box(b"fastkiqbench")));
    case(&mut cases, "URL", || {
        RedisUrl::parse(black_box("rediss://user:secret@redis.example.org:6380/3?timeout=5")).is_ok()
    });
    println!("[{}]", cases.join(", "));
}
