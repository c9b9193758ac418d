"""What the fuzz tests share: how many inputs, from which seed, and the account of them.

`FASTKIQ_FUZZ_EXAMPLES` a target (150), `FASTKIQ_FUZZ_SEED` (1), and `FASTKIQ_FUZZ_REPORT`, a folder that takes
`python.<target>.json`. A crash is kept as an `@example` of its test.
"""

import functools
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("FASTKIQ_FUZZ_EXAMPLES", "150"))
SEED = int(os.environ.get("FASTKIQ_FUZZ_SEED", "1"))
REPORT = os.environ.get("FASTKIQ_FUZZ_REPORT")
UNFIT = "\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff"
"""Characters that must not reach a terminal, as the inside of a regular expression's brackets."""


def fuzz(target: str, *strategies: st.SearchStrategy[Any], share: float = 1.0) -> Callable[[Any], Any]:
    """`given` with the run's number of inputs (or a share, where one is slow) and its seed, and an account of them."""

    def decorate(check: Callable[..., None]) -> Any:
        account = {"inputs": 0, "seconds": 0.0, "seed": SEED, "findings": 0}

        # Hypothesis fills the last parameters; those before are fixtures.
        @functools.wraps(check)
        def counted(*args: Any, **kwargs: Any) -> None:
            account["inputs"] += 1
            begin = time.perf_counter()
            try:
                check(*args, **kwargs)
            except Exception:
                account["findings"] = 1
                raise
            finally:
                account["seconds"] += time.perf_counter() - begin
                if (REPORT and account["inputs"] % 20 == 0) or account["findings"]:
                    _write(target, account)

        chosen = settings(
            max_examples=max(20, int(EXAMPLES * share)),
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        return seed(SEED)(chosen(given(*strategies)(counted)))

    return decorate


def _write(target: str, account: dict[str, Any]) -> None:
    if REPORT:
        Path(REPORT, f"python.{target}.json").write_text(json.dumps(account))


texts = st.text(max_size=30) | st.text(st.sampled_from("\x00\x1b[31m\r\n\u202e\ud800\u2028'\"\\é:;/"), max_size=12)
numbers = (
    st.integers()
    | st.floats()
    | st.sampled_from([2**63, -(2**63) - 1, 10**40, 10**17, 1e308, -0.0, float("inf"), float("nan"), 10**4299])
)
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=12,
)

FIELDS = [
    *("class", "jid", "queue", "args", "retry", "retry_for", "retry_queue", "retry_count", "dead", "backtrace", "tags"),
    *("created_at", "enqueued_at", "failed_at", "retried_at", "error_class", "error_message", "error_backtrace", "at"),
    *("log_level", "cattr", "wrapped", "discarded_at"),
]
payloads = st.dictionaries(st.sampled_from(FIELDS), values, max_size=12)


def _dumped(value: Any) -> bytes:
    """JSON as a careless writer leaves it: with NaN, and with what UTF-8 cannot hold."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _cut(pair: tuple[bytes, float]) -> bytes:
    return pair[0][: int(len(pair[0]) * pair[1])]


stored = (
    st.one_of(payloads, values).map(_dumped)
    | payloads.map(json.dumps).map(str.encode)
    | st.tuples(payloads.map(_dumped), st.floats(0, 1)).map(_cut)
    | st.binary(max_size=60)
)
"""What may lie in a queue or a sorted set."""
