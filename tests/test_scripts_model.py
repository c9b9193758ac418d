"""No job vanishes and none is doubled, whatever processes, schedulers and the network do: see model/machine.py.

FASTKIQ_LONG=1 looks ten times longer.
"""

import os

import pytest
import redis as redis_py
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from model.machine import Machine

LONG = 10 if os.environ.get("FASTKIQ_LONG") == "1" else 1


@pytest.mark.both_servers
@pytest.mark.timeout(60 * LONG)
def test_no_job_vanishes(redis: redis_py.Redis) -> None:
    run_state_machine_as_test(
        type("MachineHere", (Machine,), {"redis": redis}),
        settings=settings(
            max_examples=35 * LONG,
            stateful_step_count=150,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
