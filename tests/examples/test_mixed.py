"""examples/mixed with a real Sidekiq: Python's job makes a job of Ruby's, which makes one of Python's."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as redis_py

from children import Child, clean_environment, fastkiq
from servers import wait_until
from sidekiq import judge
from sidekiq.conftest import unfit

FOLDER = Path(__file__).parents[2] / "examples" / "mixed"
RUBY = Path(judge.__file__).parent


@pytest.fixture
def sidekiq(redis_url: str, tmp_path: Path) -> Iterator[Child]:
    """`sidekiq -r ./invoices.rb -q ruby`, for a Ruby that may see no other folder than its own."""
    if not judge.COMMAND:
        unfit("FASTKIQ_RUBY does not say how to run a Ruby with Sidekiq; tests/sidekiq/setup.sh tells")
    program = "\n".join(file.read_text() for file in (RUBY / "prelude.rb", FOLDER / "invoices.rb", RUBY / "serve.rb"))
    environment = clean_environment({"REDIS_URL": redis_url, "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"})
    given = json.dumps({"options": ["-q", "ruby"]})
    child = Child([*judge.COMMAND, "-e", program, given], tmp_path, environment)
    yield child
    child.close()


def test_there_and_back(sidekiq: Child, redis_url: str, redis: redis_py.Redis, tmp_path: Path) -> None:
    shutil.copy(FOLDER / "mailer.py", tmp_path)
    environment = clean_environment({"REDIS_URL": redis_url})
    python = Child(fastkiq("process", "mailer.py", "-q", "python"), tmp_path, environment)
    try:
        python.wait_for("ready:")
        sidekiq.wait_for("startup", 30)
        ordered = subprocess.run(
            [sys.executable, "mailer.py", "ann@example.org"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        jid = ordered.stdout.split()[-1]
        python.wait_for(f"mail to ann@example.org: invoice R-{jid[:8]} over 19.90", 30)
        assert f"invoice R-{jid[:8]} is made" in sidekiq.output()
        wait_until(lambda: redis.get("stat:processed") == b"2", 15, "both jobs in the statistics that both sides share")
        assert python.stop() == 0
    finally:
        python.close()
