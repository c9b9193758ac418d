"""What the benchmarks share: private servers, children and what they cost, rounds, summaries, floors, facts.

`python benches/goals` and its neighbours run in the development environment; what is timed runs in environments of an
optimised interpreter (`lab.venv`) with a wheel of this tree. All traffic stays on the loopback.
"""

import sys
from pathlib import Path

BENCHES = Path(__file__).parents[1]
REPOSITORY = BENCHES.parent
RESULTS = BENCHES / "results"
"""Raw measurements, JSON lines; git-ignored."""

sys.path.insert(0, str(REPOSITORY / "tests"))  # servers.py, shared with the tests
