//! Runs every target on generated inputs, on a stable compiler, after all seeds of former crashes.
//!
//! `FASTKIQ_FUZZ_INPUTS` a target (2,000), `FASTKIQ_FUZZ_SEED` (1: the same inputs each time), and `FASTKIQ_FUZZ_REPORT`, a folder that
//! takes `<target>.json`. A crash becomes a seed in `tests/fuzz/seeds`, made as small as it goes.

use std::cell::Cell;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::inputs::{inputs, kind};
use super::meter::most_of;
use super::{TARGETS, Target};

/// Bytes that a target may hold at once for each byte of its input, and besides. Targets compare several copies and parse trees; what a
/// header merely claims is far beyond.
const HELD: (usize, usize) = (1_000, 64 << 10);

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn seeds(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(name)
}

fn check(target: Target, bytes: &[u8]) {
    let held = most_of(|| target(bytes));
    assert!(held <= HELD.0 * bytes.len() + HELD.1, "{held} bytes held for an input of {}", bytes.len());
}

fn fuzz(name: &str) {
    let target = TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target).unwrap();
    for file in fs::read_dir(seeds(name)).into_iter().flatten() {
        check(target, &fs::read(file.unwrap().path()).unwrap());
    }
    let (most, seed) = (setting("FASTKIQ_FUZZ_INPUTS", 2_000), setting("FASTKIQ_FUZZ_SEED", 1));
    let mut whole_seed = [0; 32];
    whole_seed[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases: u32::try_from(most).unwrap(), failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &whole_seed));
    let (begin, ran) = (Instant::now(), Cell::new(0_u64));
    let outcome = runner.run(&inputs(kind(name)), |bytes| {
        ran.set(ran.get() + 1);
        check(target, &bytes);
        Ok::<_, TestCaseError>(())
    });
    report(name, ran.get(), begin.elapsed(), seed, usize::from(outcome.is_err()));
    if let Err(TestError::Fail(reason, bytes)) = outcome {
        let mut hash = DefaultHasher::new();
        bytes.hash(&mut hash);
        let file = seeds(name).join(format!("{:016x}", hash.finish()));
        let _ = fs::create_dir_all(seeds(name)).and_then(|()| fs::write(&file, &bytes));
        panic!("{name}, seed {seed}: {reason}; the input is kept as {}: b\"{}\"", file.display(), bytes.escape_ascii());
    }
}

/// Each has a binary of its own there.
#[test]
fn guided_runs_know_all_targets() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("path = \"targets/{name}.rs\"")), "{name}");
    }
}

fn report(name: &str, inputs: u64, took: Duration, seed: u64, findings: usize) {
    if let Ok(folder) = std::env::var("FASTKIQ_FUZZ_REPORT") {
        let seconds = took.as_secs_f64();
        let text =
            format!("{{\"inputs\":{inputs},\"seconds\":{seconds:.3},\"seed\":{seed},\"findings\":{findings}}}\n");
        fs::write(Path::new(&folder).join(format!("rust.{name}.json")), text).unwrap();
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                fuzz(stringify!($name));
            }
        )*

        #[test]
        fn all_targets_are_run() {
            let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

targets!(payload json strings floats resp claims due url records requests definitions);

/// A part of an input, over and over: what takes time by the square of a length shows here.
#[test]
fn long_inputs_take_no_longer_than_their_length() {
    const LENGTH: usize = 60_000;
    for (name, target) in TARGETS {
        for part in kind(name).parts.into_iter().chain(kind(name).real) {
            if part.is_empty() {
                continue;
            }
            let bytes = part.repeat(LENGTH / part.len());
            let begin = Instant::now();
            check(target, &bytes);
            let framed = [&b"{\"class\":\"A\",\"args\":[\""[..], &bytes, b"\"]}"].concat();
            check(target, &framed);
            let took = begin.elapsed();
            // By the square it would be minutes; a debug build on a busy machine takes a tenth of a second.
            assert!(took < Duration::from_secs(5), "{name}: {took:?} for {} again and again", part.escape_ascii());
        }
    }
}

/// Twenty thousand keys, each a different one.
#[test]
fn many_keys_take_no_longer_than_their_number() {
    let keys: Vec<String> = (0..20_000).map(|number| format!("\"\\u006b{number}\":{number}")).collect();
    let text = format!("{{\"class\":\"A\",\"args\":[],{}}}", keys.join(","));
    let begin = Instant::now();
    super::text::payload(text.as_bytes());
    assert!(begin.elapsed() < Duration::from_secs(5));
}

/// A length that the other side merely claims costs nothing.
#[test]
fn nothing_is_reserved_on_the_word_of_a_header() {
    for bytes in [
        &b"*1000000000\r\n"[..],
        b"$999999999999\r\n",
        b"$536870912\r\nx",
        b"*4194304\r\n",
        b"*2\r\n*4194303\r\n:1\r\n",
        b"%2000000\r\n",
    ] {
        let held = most_of(|| super::wire::resp(bytes));
        assert!(held < 4_096, "{held} bytes for {}", bytes.escape_ascii());
    }
}

/// The same seed makes the same inputs, on every machine.
#[test]
fn inputs_are_those_of_their_seed() {
    let first = |seed: u8| {
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let tree = vec(inputs(kind("payload")), 20).new_tree(&mut runner).unwrap();
        tree.current()
    };
    assert_eq!(first(1), first(1));
    assert_ne!(first(1), first(2));
}
