"""Results of jobs: what `perform` answered, how far a job is, why it failed, kept for a time in Redis.

class Sum(fastkiq.Worker, result_ttl=3600):
    def perform(self, *numbers: float) -> float:
        return sum(numbers)

fastkiq.result(Sum.perform_async(1, 2)).wait(timeout=5)    # 3
"""

from fastkiq.results.reader import Result
from fastkiq.results.state import Failure, Progress, Status
from fastkiq.results.teller import progress

__all__ = ["Failure", "Progress", "Result", "Status", "progress", "result"]


def result(jid: str) -> Result:
    """The result of the job with this id. Nothing is read before it is asked for. Raises ArgumentError for what
    cannot be a job's id."""
    return Result(jid)
