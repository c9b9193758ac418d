"""Records what older Sidekiqs write, as `tests/sidekiq/old/<version>.json`. As root, by the .venv's Python.

Sidekiq 6.4.1 is Debian bookworm's, 7.3.2 trixie's; each goes into a folder of its own by debootstrap. The vectors are
committed, so that neither is needed to run the tests. `old_folder` is also where a test finds 7.3.2, if it is there.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from servers import Server
from sidekiq import judge

SUITES = {"6.4.1": "bookworm", "7.3.2": "trixie"}
RECORDED = Path(__file__).parent / "old"


def old_folder(version: str) -> Path:
    """Where that version's Ruby is, or would be."""
    cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    return Path(cache, f"fastkiq-ruby-{SUITES[version]}")


def set_up(version: str) -> None:
    """Half a minute and 280 MB."""
    suite, folder = SUITES[version], old_folder(version)
    if not (folder / "usr/bin/ruby").exists():
        lines = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"],
            capture_output=True,
            check=True,
            text=True,
        ).stdout.splitlines()
        mirror = next(line.split()[1] for line in lines if line.startswith("Debian http"))
        options = ["--variant=minbase", "--include=ruby,ruby-sidekiq,ruby-rack"]
        subprocess.run(["debootstrap", *options, suite, str(folder), mirror], check=True, stdout=sys.stderr)


def main() -> None:
    for version in SUITES:
        set_up(version)
        judge.COMMAND[:] = ["chroot", str(old_folder(version)), "ruby"]
        with tempfile.TemporaryDirectory() as folder:
            server = Server("redis", Path(folder, "server")).start()
            try:
                answer = judge.Ruby(server.url, Path(folder))("old")
            finally:
                server.stop()
        assert answer["version"] == version, answer["version"]
        RECORDED.mkdir(exist_ok=True)
        text = json.dumps(answer, indent=1, ensure_ascii=False) + "\n"
        (RECORDED / f"{version}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
