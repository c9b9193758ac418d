"""Runs the Python blocks of one page, in one namespace: a line of JSON in for each block, a line of JSON out.

What a block prints goes to this process's output; answers go to the file descriptor that the command line names.
A block may `await` as at asyncio's prompt. A block that shows a file is written to that file and imported, and its
names are there afterwards. Tracebacks have the page and its lines.
"""

import ast
import asyncio
import importlib
import inspect
import json
import linecache
import os
import sys
import traceback
import types
from pathlib import Path
from typing import Any

sys.path.insert(0, os.getcwd())
page = types.ModuleType("__main__")


def main() -> None:
    """Until the input ends."""
    answers = os.fdopen(int(sys.argv[1]), "w")
    for line in sys.stdin:
        block = json.loads(line)
        page.__file__ = os.path.join(os.getcwd(), f"{Path(block['page']).stem.replace('-', '_')}.py")
        sys.modules["__main__"] = page
        try:
            run(**block)
            error = None
        except BaseException:
            error = traceback.format_exc()
        answers.write(json.dumps(error) + "\n")
        answers.flush()


def run(page: str, line: int, text: str, title: str | None) -> None:
    """One block."""
    if title is not None and title.endswith(".py"):
        importing(title, text)
        return
    linecache.cache[page] = (len(text), None, [""] * (line - 1) + text.splitlines(keepends=True), page)
    tree = ast.increment_lineno(ast.parse(text, page), line - 1)
    code = compile(tree, page, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, namespace())
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(result)


def importing(title: str, text: str) -> None:
    """Writes the module, imports it, and takes over its names."""
    file = Path(title)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    name = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
    importlib.invalidate_caches()
    sys.modules.pop(name, None)
    module = importlib.import_module(name)
    namespace().update({key: value for key, value in vars(module).items() if not key.startswith("__")})


def namespace() -> dict[str, Any]:
    return vars(page)


if __name__ == "__main__":
    main()
