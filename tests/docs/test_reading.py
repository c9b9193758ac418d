"""The reader of pages: a fault of a page is told with its place, and nothing is passed over in silence."""

from pathlib import Path

import pytest

from .blocks import read
from .reading import Page

RUNS = """\
```python title="jobs.py"
import fastkiq


class Note(fastkiq.Worker):
    def perform(self, text: str) -> None:
        open("noted", "w").write(text)
```

```sh
export TEXT=hello
fastkiq process jobs.py      # goes on
```

```python
import asyncio, pathlib, time

assert await Note.aperform_async("hello")
while not pathlib.Path("noted").exists():
    await asyncio.sleep(0.01)
```

```sh
mkdir inside && cd inside
test -e ../noted
cd ..
```

```console
$ test "$TEXT" = hello && \\
    test -e noted
what it prints
```

```toml
queues = ["critical,3", "default"]
```
"""


def run(text: str, folder: Path, redis_url: str) -> None:
    with Page(folder, redis_url) as page:
        for block in read(text, "docs/page.md"):
            page.run(block)


def test_a_page_that_is_right(tmp_path: Path, redis_url: str) -> None:
    run(RUNS, tmp_path, redis_url)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n```python\nnot_there\n```\n", 'docs/page.md:3: (.|\n)*File "docs/page.md", line 3(.|\n)*NameError'),
        ("```python\n1\n```\n\n```python\nimport os\nos._exit(3)\n```\n", "docs/page.md:6: the interpreter has ended"),
        ("```sh\ntrue\nfastkiq process nowhere.py\n```\n", "docs/page.md:3: fastkiq process(.|\n)*no such file"),
        ("```sh\nfastkiq stats --no-such-option\n```\n", "docs/page.md:2: (.|\n)*ended with 2"),
        ("text\n\n```\nfastkiq nothing\n```\n", "docs/page.md:4: fastkiq nothing"),
        ("```toml\nconcurency = 3\n```\n", "docs/page.md:2: .*unknown setting"),
        ("```yaml\n:concurrency: many\n```\n", "docs/page.md:2: .*concurrency"),
        ("```yaml\na: [\n```\n", "docs/page.md:2: "),
        ("```json\n{\n```\n", "docs/page.md:2: "),
        ("```pyhton\n1\n```\n", "docs/page.md:2: 'pyhton' is none of"),
    ],
)
def test_a_fault_is_told_with_its_place(text: str, said: str, tmp_path: Path, redis_url: str) -> None:
    with pytest.raises(AssertionError, match=said):
        run(text, tmp_path, redis_url)


def test_what_is_not_run_says_why() -> None:
    text = "<!-- not run: it costs money -->\n```sh\nfastkiq stats\n```\n\n```sh\nfastkiq stats\n```\n"
    first, second = read(text, "docs/page.md")
    assert (first.not_run, second.not_run) == ("it costs money", None)
