"""The assertions, and what they say when they fail: to the letter, since that is what people read."""

from datetime import timedelta
from textwrap import dedent
from typing import Any

import pytest

import fastkiq
from fastkiq import testing
from fastkiq.testing import ANY, Jobs, subset
from testing_workers import Mail, fetch, note


def said(call: Any, *args: Any, **words: Any) -> str:
    with pytest.raises(AssertionError) as caught:
        call(*args, **words)
    return f"{caught.value}\n"


def test_they_answer_what_they_found(jobs: Jobs) -> None:
    jid = Mail.perform_async("ann")
    Mail.perform_async("bob")
    assert [job.args for job in jobs.assert_enqueued(Mail)] == [["ann"], ["bob"]]
    [job] = testing.assert_enqueued(Mail, args=["ann"], queue="mail", count=1)
    assert job.jid == jid
    assert testing.assert_enqueued(Mail, args=["eve"], count=0) == []
    testing.assert_not_enqueued(fetch)
    testing.assert_not_enqueued(Mail, queue="other")
    jobs.drain_all()
    testing.assert_no_jobs()


def test_nothing_is_enqueued(jobs: Jobs) -> None:
    assert said(testing.assert_enqueued, Mail, args=["ann", ...]) == dedent("""\
        no such job is enqueued:
            testing.Mail  args=['ann', ...]
          nothing is enqueued
        """)
    Mail.perform_async("ann")
    jobs.drain_all()
    assert said(testing.assert_enqueued, Mail) == dedent("""\
        no such job is enqueued:
            testing.Mail
          nothing is enqueued
          (what has run does not count as enqueued any more: 1 job)
        """)


def test_the_nearest_comes_first_with_each_difference(jobs: Jobs) -> None:
    note.perform_async(1)
    Mail.set(queue="slow").perform_async("bob", {"id": 1, "old": True}, 3)
    Mail.perform_async("ann", {"id": 2, "lines": ["a", "b"]}, 3)
    text = said(jobs.assert_enqueued, Mail, args=["ann", {"id": 2, "lines": ["a", int], "new": ANY}, 3], queue="mail")
    assert text == dedent("""\
        no such job is enqueued:
            testing.Mail  args=['ann', {'id': 2, 'lines': ['a', int], 'new': ANY}, 3]  queue='mail'
          enqueued, the nearest first:
            1. testing.Mail  args=['ann', {'id': 2, 'lines': ['a', 'b']}, 3]  queue='mail'
                 args[1] (data)['lines'][1]: 'b', wanted int
                 args[1] (data)['new']: missing, wanted ANY
            2. testing.Mail  args=['bob', {'id': 1, 'old': True}, 3]  queue='slow'
                 args[0] (to): 'bob', wanted 'ann'
                 args[1] (data)['id']: 1, wanted 2
                 args[1] (data)['lines']: missing, wanted ['a', int]
                 args[1] (data)['new']: missing, wanted ANY
                 args[1] (data)['old']: True, not wanted
                 queue: 'slow', wanted 'mail'
            3. testing.note  args=[1]  queue='default'
        """)


def test_lengths_of_arguments(jobs: Jobs) -> None:
    Mail.perform_async("ann", None)
    text = said(jobs.assert_enqueued, Mail, args=["ann"])
    assert "args[1]: None, not wanted" in text
    text = said(jobs.assert_enqueued, Mail, args=["ann", None, 3, ...])
    assert "args[2]: missing, wanted 3" in text


def test_names_of_parameters(jobs: Jobs) -> None:
    Mail.perform_async("ann")

    def is_even(count: int) -> bool:
        return count % 2 == 0

    text = said(jobs.assert_enqueued, Mail, kwargs={"to": "bob", "count": is_even, "cc": "x"})
    assert text == dedent("""\
        no such job is enqueued:
            testing.Mail  kwargs={'cc': 'x', 'count': is_even, 'to': 'bob'}
          enqueued, the nearest first:
            1. testing.Mail  args=['ann']  queue='mail'
                 kwargs['to']: 'ann', wanted 'bob'
                 kwargs['count']: 1, wanted is_even
                 kwargs['cc']: missing, wanted 'x'
        """)


def test_times_and_tags(jobs: Jobs) -> None:
    Mail.set(tags=["a"]).perform_in(60, "ann")
    Mail.perform_async("bob")
    text = said(jobs.assert_enqueued, Mail, at=timedelta(hours=1), tags=["b"])
    at = jobs.scheduled[0].at
    assert at is not None
    when = f"{at.isoformat(timespec='seconds')} (0:01:00 after the push)"
    assert text == dedent(f"""\
        no such job is enqueued:
            testing.Mail  at=1:00:00 after the push  tags=['b']
          enqueued, the nearest first:
            1. testing.Mail  args=['ann']  queue='mail'  at={when}  tags=['a']
                 at: {when}, wanted 1:00:00 after the push
                 tags: ['a'], wanted ['b']
            2. testing.Mail  args=['bob']  queue='mail'
                 at: at once, wanted 1:00:00 after the push
                 tags: [], wanted ['b']
        """)
    assert "wanted at once" in said(jobs.assert_enqueued, Mail, args=["ann"], at=None)


def test_long_texts_are_shown_where_they_begin_to_differ(jobs: Jobs) -> None:
    note.perform_async("x" * 200 + "left" + "y" * 200)
    text = said(jobs.assert_enqueued, note, args=["x" * 200 + "right" + "y" * 200])
    assert (
        f"""\
         args[0] (value): from character 185
           - ...'{"x" * 15}right{"y" * 50}'...
           + ...'{"x" * 15}left{"y" * 51}'...
"""
        in text
    )
    assert max(map(len, text.splitlines())) < 140
    note.perform_async("z" * 100)
    assert "from character 85" in said(jobs.assert_enqueued, note, args=["z" * 120])


def test_counts(jobs: Jobs) -> None:
    Mail.perform_bulk([("ann",), ("bob",)])
    note.perform_async(1)
    assert said(jobs.assert_enqueued, Mail, count=1) == dedent("""\
        1 such job wanted, 2 enqueued:
            testing.Mail
          enqueued and as wanted:
            1. testing.Mail  args=['ann']  queue='mail'
            2. testing.Mail  args=['bob']  queue='mail'
          also enqueued, the nearest first:
            1. testing.note  args=[1]  queue='default'
        """)
    assert "3 such jobs wanted, 2 enqueued" in said(jobs.assert_enqueued, Mail, count=3)


def test_none_wanted(jobs: Jobs) -> None:
    Mail.perform_async("ann")
    assert said(jobs.assert_no_jobs) == dedent("""\
        1 job enqueued where none was wanted:
            any job
          enqueued:
            1. testing.Mail  args=['ann']  queue='mail'
        """)
    assert "where none was wanted" in said(testing.assert_not_enqueued, Mail, args=[ANY])


def test_many_jobs_and_large_ones_stay_readable(jobs: Jobs) -> None:
    note.perform_bulk(([number, {"deep": [{"deeper": ["x" * 500] * 50}] * 50}],) for number in range(30))
    text = said(jobs.assert_enqueued, note, args=[[-1, {"deep": [subset(deeper=["y"])] * 50}]])
    assert "and 25 more" in text
    assert "more differences" in text
    assert len(text) < 12_000


def test_a_predicate_that_raises_comes_out(jobs: Jobs) -> None:
    note.perform_async(None)
    with pytest.raises(TypeError):
        jobs.assert_enqueued(note, args=[lambda value: len(value) > 1])


def test_of_active_jobs_and_unknown_classes(jobs: Jobs) -> None:
    fastkiq.Client().push("Ruby::Job", 1, {"a": 1})
    jobs.assert_enqueued("Ruby::Job", args=[1, subset(a=1)])
    assert "kwargs['x']: missing" in said(jobs.assert_enqueued, "Ruby::Job", kwargs={"x": 1})
