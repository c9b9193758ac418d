"""`make fuzz`: every target of both languages on many inputs, and an account of them.

Prints for each target how many inputs it ran, its seconds and its seed; `--summary FILE` writes the same as JSON:
{target: {inputs, seconds, seed, findings}}. Exit code 1 when something was found, or fewer inputs ran than `--least`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUST = ["cargo", "test", "--locked", "--profile", "fuzz", "--lib", "fuzz::"]
PYTHON = [sys.executable, "-m", "pytest", "-q", "--timeout", "900", "tests/fuzz"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz FUZZ_ARGS=...", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="of each Rust target")
    parser.add_argument("--examples", type=int, default=500, help="of each Python target")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the same inputs again; now, by default")
    parser.add_argument("--least", type=int, default=0, help="inputs of all targets together")
    parser.add_argument("--summary", type=Path, help="a file that takes the account as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "RUST_BACKTRACE": "0",
            "FASTKIQ_FUZZ_INPUTS": str(options.inputs),
            "FASTKIQ_FUZZ_EXAMPLES": str(options.examples),
            "FASTKIQ_FUZZ_SEED": str(options.seed),
            "FASTKIQ_FUZZ_REPORT": folder,
        }
        print(f"fuzz: seed {options.seed}", flush=True)
        # Side by side: Hypothesis keeps one core busy, and cargo the other, once it has built the tests.
        runs = [
            subprocess.Popen(each, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            for each in (RUST, PYTHON)
        ]
        outputs = [run.communicate()[0].decode("utf-8", "replace") for run in runs]
        account = {file.stem: json.loads(file.read_text()) for file in sorted(Path(folder).glob("*.json"))}
    failed = False
    for run, output in zip(runs, outputs, strict=True):
        if run.returncode:
            failed = True
            print(output)
    for target, figures in account.items():
        print(
            "{:28} {inputs:>12,} inputs {seconds:>8.1f} s   seed {seed}   {findings} findings".format(target, **figures)
        )
    total = sum(figures["inputs"] for figures in account.values())
    print(f"{'all':28} {total:>12,} inputs")
    if options.summary is not None:
        options.summary.write_text(json.dumps(account, indent=2, sort_keys=True) + "\n")
    return 1 if failed or total < options.least else 0


if __name__ == "__main__":
    sys.exit(main())
