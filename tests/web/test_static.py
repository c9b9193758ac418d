"""Static files: those of the wheel, and nothing else."""

import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

import fastkiq.web
from fastkiq.web.assets import packaged
from web_server import ask

Web = Callable[..., str]
STATIC = Path(fastkiq.web.__file__).parent / "static"


def test_each_file_is_served_for_a_year_under_its_version(web: Web) -> None:
    base, version = web(), packaged().version
    for path, (content, kind) in packaged().files.items():
        answer = ask(f"{base}/static/{version}/{path}")
        assert (answer.status, answer.body) == (200, content)
        assert answer.headers["content-type"] == kind
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_file_of_another_version_is_todays_and_not_kept(web: Web) -> None:
    answer = ask(web() + "/static/0123456789ab/fastkiq.css")
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "../../pages/static.py", "..%2f..%2fsite.py", "%2e%2e/%2e%2e/site.py", "/etc/passwd", "%2fetc%2fpasswd",
        "....//site.py", "..%5c..%5csite.py", "vendor", "vendor/", "", ".", "vendor/README.md", "fastkiq.css%00.js",
    ],
)  # fmt: skip
def test_nothing_else_is(web: Web, path: str) -> None:
    base = web()
    assert ask(f"{base}/static/{packaged().version}/{path}").status in (307, 404)


def test_every_module_that_a_script_imports_is_there() -> None:
    for path, (content, kind) in packaged().files.items():
        if kind.startswith("text/javascript") and "vendor/" not in path:
            for name in re.findall(r'^import .* from "\./([^"]+)"', content.decode(), re.MULTILINE):
                assert name in packaged().files, f"{path} imports {name}"


def test_what_is_vendored_is_what_it_says() -> None:
    rows = re.findall(r"^\| (\S+) \| ([0-9a-f]{64}) \|$", (STATIC / "vendor" / "README.md").read_text(), re.MULTILINE)
    found = {file.name for file in (STATIC / "vendor").iterdir()}
    assert {name for name, _ in rows} | {"README.md"} == found
    for name, digest in rows:
        assert sha256((STATIC / "vendor" / name).read_bytes()).hexdigest() == digest


def test_our_scripts_and_styles_reach_for_nothing_outside() -> None:
    for path, (content, kind) in packaged().files.items():
        if "vendor/" not in path and kind.startswith("text/"):
            text = content.decode()
            assert not re.search(r"https?://(?!www\.w3\.org/2000/svg\b)", text), path
            for danger in (
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                'setAttribute("style"',
            ):
                assert danger not in text, f"{path}: {danger}"
