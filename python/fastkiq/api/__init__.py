"""What Redis holds, to look at and to steer: the inspection API.

    from fastkiq import api

    api.Stats().summary().retries
    api.Queue("mail").pause()
    for entry in api.RetrySet().scan(api.Filter(error="Timeout")):
        entry.retry()

Synchronous, over redis-py; in coroutines `await asyncio.to_thread(...)`. Every class takes `redis=`, a client of
`connect()`, and else asks the configured Redis. Refusals are those of `fastkiq.errors`. Listings never read more than
they show, and what Redis holds never makes them fail.
"""

from fastkiq.api.actions import Outcome, Sweep
from fastkiq.api.again import run_again
from fastkiq.api.connection import Redis, connect
from fastkiq.api.entry import Entry
from fastkiq.api.filter import Filter, argument_text, error_text, signature
from fastkiq.api.groups import Group, Grouping
from fastkiq.api.job_set import JobSet
from fastkiq.api.metrics import ClassMetrics, Metrics, MetricsQuery, Series
from fastkiq.api.page import Page
from fastkiq.api.process import Process, ProcessSet
from fastkiq.api.progress import progress
from fastkiq.api.queue import Queue, QueueState, memories, queues
from fastkiq.api.recurring_job import RecurringJob, Run
from fastkiq.api.recurring_set import RecurringSet
from fastkiq.api.search import Found, search
from fastkiq.api.sets import DeadSet, RetrySet, ScheduledSet
from fastkiq.api.stats import Day, Server, Stats, Summary
from fastkiq.api.work import Stacks, Work, WorkSet, ask_for_stacks, stacks

__all__ = [
    "ClassMetrics",
    "Day",
    "DeadSet",
    "Entry",
    "Filter",
    "Found",
    "Group",
    "Grouping",
    "JobSet",
    "Metrics",
    "MetricsQuery",
    "Outcome",
    "Page",
    "Process",
    "ProcessSet",
    "Queue",
    "QueueState",
    "RecurringJob",
    "RecurringSet",
    "Redis",
    "RetrySet",
    "Run",
    "ScheduledSet",
    "Series",
    "Server",
    "Stacks",
    "Stats",
    "Summary",
    "Sweep",
    "Work",
    "WorkSet",
    "argument_text",
    "ask_for_stacks",
    "connect",
    "error_text",
    "memories",
    "progress",
    "queues",
    "run_again",
    "search",
    "signature",
    "stacks",
]
