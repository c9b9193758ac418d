"""Something to deploy: one worker that takes its time."""

import time

import fastkiq


class Work(fastkiq.Worker, retry=5):
    def perform(self, seconds: float = 1.0) -> None:
        """Works in steps and ends early when the process stops: the job goes back and starts again elsewhere."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.interrupted:
                raise fastkiq.Snooze(in_=0)  # no attempt is counted
            time.sleep(0.05)
