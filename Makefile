# The two commands of a newcomer: `make demo` and `make test`. Needs Python 3.11+ and cargo, nothing else.
# Stamps in .venv/ make a second run of any target do only what has changed.

VENV := .venv
BIN := $(VENV)/bin
MIN_RUST := $(shell sed -n 's/^rust-version = "1\.\([0-9]*\).*/\1/p' Cargo.toml)

# The first interpreter that is new enough; `make PYTHON=/path/to/python dev` overrules it.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v "$$p"; break; }; done)

CORE_SOURCES := $(shell find rust -type f) $(wildcard Cargo.toml Cargo.lock build.rs .cargo/config.toml rust-toolchain.toml) pyproject.toml
PY_SOURCES := python tests examples benches docs/hooks

# One interpreter for every build of the core, or cargo would compile PyO3 anew whenever another one asks.
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python

# Before a command that runs cargo's tests: where Python came without its library, there is a stub of it.
LIBPYTHON = stub="$$($(BIN)/python .ci/stub-libpython target/libpython)"; \
	if [ -n "$$stub" ]; then export LIBRARY_PATH="$$stub" LD_LIBRARY_PATH="$$stub"; fi;

.DEFAULT_GOAL := help
.PHONY: help dev containers django django6 demo web-demo screenshots test lint types rust-lint rust-test races pytest faults fuzz fuzz-guided golden sidekiq format bench bench-check bench-baseline bench-functions goals compare wheel clean check-python check-cargo

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

dev: $(VENV)/.built ## Make .venv with the locked tools and build the core into it (release profile)

demo: dev ## The main job on real input: a census of the standard library, on the embedded server
	@$(BIN)/python examples/stdlib_census.py

web-demo: dev ## Pages that live: workers, failures, schedules and the web UI on http://127.0.0.1:9292, until Ctrl-C
	@$(BIN)/python examples/web_demo.py $(WEB_DEMO_ARGS)

screenshots: dev ## Take the pictures in docs/images anew, of the demo in a real Chromium; two minutes
	@mkdir -p docs/images && $(BIN)/python tests/browser/screenshots.py

test: lint rust-test pytest django ## Everything that must hold: lint, types, stubtest, cargo test, pytest, Django

lint: dev types rust-lint ## ruff, mypy --strict, stubtest, cargo fmt --check, clippy
	@$(BIN)/ruff check $(PY_SOURCES)
	@$(BIN)/ruff format --check --quiet $(PY_SOURCES) || { echo "make: run 'make format'" >&2; exit 1; }

types: dev
	@$(BIN)/mypy
	@$(BIN)/python -m mypy.stubtest --mypy-config-file pyproject.toml fastkiq._core

rust-lint: dev
	@cargo fmt --check || { echo "make: run 'make format'" >&2; exit 1; }
	@cargo clippy --quiet --locked --all-targets --features bench,fuzz -- -D warnings
	@cargo clippy --quiet --locked --lib --tests --features races -- -D warnings

rust-test: dev
	@$(LIBPYTHON) cargo test --quiet --locked
	@$(LIBPYTHON) cargo test --quiet --locked --features races --lib -- races::

races: dev ## Rust's threads under many schedules, a minute each model; one of them by RACES=name, repeated with FASTKIQ_RACES_SEED=
	@$(LIBPYTHON) FASTKIQ_RACES_SECONDS="$${FASTKIQ_RACES_SECONDS:-60}" \
		cargo test --quiet --locked --profile races --features races --lib -- "$(or $(RACES),races::)" --nocapture

# In CI a test that has missed a bound of time gets a second try, alone.
PYTEST = $(BIN)/python $(if $(FASTKIQ_CI),tests/second_try.py,-m pytest)

# Arguments may choose tests of one half alone: pytest then ends the other with 5.
NONE_CHOSEN = { code=$$?; test $$code = 5 && $(if $(PYTEST_ARGS),true,false) || exit $$code; }

# Tests that measure, or need the machine for themselves. The others wait more than they work: several at a time.
# FASTKIQ_SEED=N repeats a run of the faults.
ALONE = tests/bench tests/fuzz tests/model tests/shop tests/test_embedded.py tests/test_embedded_folder.py tests/test_packaging.py tests/test_recover.py tests/sidekiq/test_metrics.py \
	$(addprefix tests/integration/test_,$(addsuffix .py,ahead bench caps capsules embedded_worker fetch harm health health_server heartbeat metrics process_jobs reload schedule))
# Django knows one project a process, so its tests have processes of their own, in the target `django`.
APART = tests/django tests/faults

pytest: dev
	@$(PYTEST) $(ALONE) $(PYTEST_ARGS) || $(NONE_CHOSEN)
	@$(PYTEST) tests $(addprefix --ignore=,$(ALONE) $(APART)) -n 3 $(PYTEST_ARGS) || $(NONE_CHOSEN)
	@$(PYTEST) tests/faults -n 4 $(PYTEST_ARGS) || $(NONE_CHOSEN)

django: dev ## fastkiq in Django 5.2: Django's own cases of Tasks, and ours
	@$(BIN)/python tests/django/conformance.py target/django
	@$(PYTEST) tests/django -n 3 $(PYTEST_ARGS) || $(NONE_CHOSEN)

django6: dev ## The same in Django 6, with Python 3.12 or newer, for which it builds the core; some minutes
	@tests/django/django6.sh target/django $(PYTEST_ARGS)

containers: ## Build and run the images of examples/ and of `fastkiq new --docker`, where there is a Docker engine; ten minutes
	@tests/containers/check.sh

LONG_FAULTS = FASTKIQ_LONG=1 FASTKIQ_RESULTS="$(CURDIR)/target/faults/results.jsonl" $(BIN)/python -m pytest --timeout 900

faults: dev ## Break everything, for half an hour on a machine at rest, and write docs/reliability.md
	@rm -rf target/faults && mkdir -p target/faults
	@$(LONG_FAULTS) tests/faults tests/integration/test_harm.py --ignore=tests/faults/test_soak.py -n 2 $(FAULTS_ARGS)
	@$(LONG_FAULTS) tests/faults/test_soak.py
	@$(BIN)/python tests/faults/report.py target/faults/results.jsonl docs/reliability.md

fuzz: dev ## Millions of inputs for whatever reads bytes; FUZZ_ARGS="--seed 1 --inputs 1000000 --summary FILE"
	@$(LIBPYTHON) $(BIN)/python tests/fuzz/run.py --least 1000000 $(FUZZ_ARGS)

fuzz-guided: dev ## One Rust target guided by coverage, with nightly and cargo-fuzz: make fuzz-guided TARGET=payload SECONDS=60
	@$(LIBPYTHON) cargo +nightly fuzz run --fuzz-dir fuzz $(or $(TARGET),payload) -- -max_total_time=$(or $(SECONDS),60) -max_len=4096

golden: dev ## Record anew what the real Sidekiq writes (tests/sidekiq/golden.json)
	@ruby="$${FASTKIQ_RUBY:-$$(tests/sidekiq/setup.sh)}" && test -n "$$ruby" && \
		FASTKIQ_RUBY="$$ruby" $(BIN)/python tests/sidekiq/record_golden.py

sidekiq: dev ## Only the tests against the real Sidekiq, set up outside the repository when FASTKIQ_RUBY is not set
	@ruby="$${FASTKIQ_RUBY:-$$(tests/sidekiq/setup.sh)}" && test -n "$$ruby" && \
		FASTKIQ_RUBY="$$ruby" $(BIN)/python -m pytest tests/sidekiq $(PYTEST_ARGS)

format: $(VENV)/.deps check-cargo ## Rewrite the sources in the project's format
	@$(BIN)/ruff check --quiet --fix $(PY_SOURCES) || true
	@$(BIN)/ruff format $(PY_SOURCES)
	@cargo fmt

bench: dev $(VENV)/.bench ## Time codec, push, border and drain beside their floors; prints pytest-benchmark's table and the ratios
	@$(BIN)/python benches/ratios.py $(BENCH_ARGS)

bench-check: dev $(VENV)/.bench ## Compare with benches/baseline: instruction counts (valgrind) and ratios to the floors; two minutes
	@$(BIN)/python benches/check.py $(BENCH_ARGS)

bench-baseline: dev $(VENV)/.bench ## Make this tree the baseline of bench-check
	@$(BIN)/python benches/check.py --rewrite $(BENCH_ARGS)

goals: dev wheel ## Measure the goals beside the floors and Sidekiq on a machine at rest, and write docs/performance.md; 15 minutes
	@$(BIN)/python benches/goals $(GOALS_ARGS)
	@case "$(GOALS_ARGS)" in *--rows* | *--scale*) echo "a part was measured: 'benches/goals --report' writes the document from all that is in benches/results" ;; \
		*) $(BIN)/python benches/goals --report ;; esac

compare: dev wheel ## Measure fastkiq beside its peers on a machine at rest, and write docs/benchmarks.md; over an hour
	@$(BIN)/python benches/compare $(COMPARE_ARGS)

bench-functions: dev $(VENV)/.bench ## Where the counted instructions go, by function
	@$(BIN)/python benches/functions.py $(BENCH_ARGS)

# docs/ is a folder, so this must be said.
.PHONY: docs docs-serve
docs: dev ## Build the documentation site into target/site; warnings are errors
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict && echo "target/site/index.html"

docs-serve: dev ## The site on http://127.0.0.1:8000, built anew at each change, until Ctrl-C
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve --dev-addr 127.0.0.1:8000

wheel: dist/.built ## Build a wheel into dist/

clean: ## Remove what the other targets made
	rm -rf $(VENV) target dist python/fastkiq/_core*.so

dist/.built: $(VENV)/.deps $(CORE_SOURCES) $(shell find python -type f -not -name '*.pyc' -not -name '*.so') README.md | check-cargo
	@rm -rf dist
	@$(BIN)/maturin build --release --locked --interpreter $(BIN)/python --out dist
	@touch $@

$(VENV)/.built: $(VENV)/.deps $(CORE_SOURCES) | check-cargo
	@test -e $@ || echo "make: building the core, about two minutes" >&2
	@VIRTUAL_ENV="$(CURDIR)/$(VENV)" PIP_QUIET=1 $(BIN)/maturin develop --release --locked --quiet
	@touch $@

# Not for the free-threaded build: orjson has no wheel for it.
$(VENV)/.bench: requirements-bench.lock $(VENV)/.deps
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements-bench.lock
	@touch $@

# Debian keeps ensurepip in a package of its own; without it the pip outside fills the environment, if there is one.
$(VENV)/.deps: requirements-dev.lock | check-python
	@if [ ! -x $(BIN)/python ]; then \
		"$(PYTHON)" -m venv $(VENV) >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear --without-pip $(VENV); \
	fi
	@if $(BIN)/python -m pip --version >/dev/null 2>&1; then pip="$(BIN)/python -m pip"; \
	elif "$(PYTHON)" -m pip --version >/dev/null 2>&1; then pip="$(PYTHON) -m pip --python $(BIN)/python"; \
	else echo "make: $(PYTHON) has neither ensurepip nor pip: install python3-venv (Debian: apt install python3-venv)" >&2; exit 1; fi; \
	$$pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements-dev.lock
	@touch $@

check-python:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or newer found; install one or say make PYTHON=/path/to/python" >&2; exit 1; }

check-cargo:
	@command -v cargo >/dev/null || { echo "make: cargo not found: install Rust 1.$(MIN_RUST) or newer from https://rustup.rs" >&2; exit 1; }
	@rustc --version | awk -F '[ .]' '{ exit !($$2 > 1 || $$3 >= $(MIN_RUST)) }' || \
		{ echo "make: $$(rustc --version) is too old: fastkiq needs 1.$(MIN_RUST) or newer (rustup update)" >&2; exit 1; }
