"""One kill -9 of one contender, for kill.py: `kill_one.py NAME FILE` writes its figures, or the error, as JSON."""

import json
import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(1, str(Path(__file__).parents[1]))

from contender import load_all
from kill import kill
from lab.server import PrivateServer
from measure import Bench


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    name, answer = sys.argv[1], Path(sys.argv[2])
    told: dict[str, object]
    try:
        with PrivateServer() as server, tempfile.TemporaryDirectory(prefix="fastkiq-compare-") as folder:
            told = {**kill(Bench(server, Path(folder)), load_all([name])[0]), "unit": "jobs"}
    except Exception as error:
        told = {"error": f"{error}"[:600]}
    answer.write_text(json.dumps(told))


if __name__ == "__main__":
    main()
