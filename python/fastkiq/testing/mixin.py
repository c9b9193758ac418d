"""For `unittest.TestCase`, Django's too."""

from typing import TYPE_CHECKING

from fastkiq.testing.jobs import Jobs
from fastkiq.testing.switch import fake

if TYPE_CHECKING:
    from unittest import TestCase as _Case
else:
    _Case = object


class FakeMixin(_Case):
    """Keeps the jobs of each test in `self.jobs`: `class OrderTest(FakeMixin, TestCase)`. Holds in all threads."""

    jobs: Jobs

    def setUp(self) -> None:
        """Begins to keep jobs; unittest calls it before each test."""
        self.jobs = self.enterContext(fake(everywhere=True))
        super().setUp()
