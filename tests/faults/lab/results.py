"""What a fault test has measured, for the table of `docs/reliability.md`: one JSON line each in `FASTKIQ_RESULTS`."""

import json
import os
from pathlib import Path
from typing import Any


def record(fault: str, **figures: Any) -> None:
    """Appends the figures; prints them in any case, so that a failing run shows how far it came."""
    line = json.dumps({"fault": fault, **figures}, ensure_ascii=False)
    print(line)
    if file := os.environ.get("FASTKIQ_RESULTS"):
        with Path(file).open("a") as results:
            results.write(line + "\n")
