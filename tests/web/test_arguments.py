"""What pages show of arguments and payloads, and what they do not."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

import fastkiq
from fastkiq.job import Job
from fastkiq.web import arguments
from fastkiq.web.filters import ShownFilter
from fastkiq.web.view import viewing
from web_jobs import payload
from web_server import a_view


@pytest.fixture(autouse=True)
def view() -> Iterator[Any]:
    with viewing(a_view()) as current:
        yield current


@pytest.fixture
def filtering(view: Any) -> None:
    view.site = replace(view.site, filter_args=frozenset({"token", "passw"}))


def job(**changes: Any) -> Job:
    return Job.from_bytes(json.dumps(payload(**changes)).encode())


def test_arguments_are_compact_json_without_their_brackets() -> None:
    assert arguments.shown_args(job(args=[1, "é", None, [True, 2.5], {"a": {}}])) == '1,"é",null,[true,2.5],{"a":{}}'
    assert arguments.shown_args(job(args=[])) == ""
    assert arguments.shown_args(job(args="no list")) == ""


def test_long_arguments_are_cut_and_say_so() -> None:
    shown = arguments.shown_args(job(args=["x" * 5_000, "y"]), 100)
    assert len(shown) == 101
    assert shown.endswith("…")
    text, is_cut = arguments.pretty_args(job(args=list(range(100_000))), 1_000)
    assert is_cut
    assert len(text) == 1_000
    assert arguments.shown_args(job(args=["x" * 8]), 10) == '"xxxxxxxx"'


@pytest.mark.usefixtures("filtering")
def test_names_filter_at_any_depth_by_a_part_and_whatever_the_case() -> None:
    shown = arguments.shown_args(job())
    assert shown == '1,"ann@example.org",{"token":"[FILTERED]","to":{"Password":"[FILTERED]","name":"Ann"}}'
    whole = arguments.shown_payload(job(cattr={"session_token": {"deep": "s3cret"}}))
    assert "s3cret" not in whole.text
    assert "hunter2" not in whole.text
    assert json.loads(whole.text)["class"] == "shop.Mail"
    assert b"s3cret" not in arguments.stored_payload(job())


@pytest.mark.usefixtures("filtering")
def test_the_fields_of_every_payload_are_no_arguments(view: Any) -> None:
    view.site = replace(view.site, filter_args=frozenset({"class", "error", "retry"}))
    shown = json.loads(arguments.shown_payload(job(error_class="E")).text)
    assert (shown["class"], shown["error_class"], shown["retry"]) == ("shop.Mail", "E", 5)


@pytest.mark.usefixtures("filtering")
def test_parameters_of_known_workers_are_filtered_by_name() -> None:
    class Login(fastkiq.Worker, name="shop.Login"):
        def perform(self, user: str, password: str, *tokens: str) -> None: ...

    logged_in = job(**{"class": "shop.Login", "args": ["ann", "hunter2", "t1", "t2"]})
    assert arguments.shown_args(logged_in) == '"ann","[FILTERED]","[FILTERED]","[FILTERED]"'
    assert "hunter2" not in arguments.shown_payload(logged_in).text
    inner = {"job_class": "shop.Login", "arguments": ["ann", "hunter2"]}
    wrapped = job(**{"class": "Sidekiq::ActiveJob::Wrapper", "wrapped": "shop.Login", "args": [inner]})
    assert arguments.shown_args(wrapped) == '"ann","[FILTERED]"'
    assert "hunter2" not in arguments.shown_payload(wrapped).text
    assert b"hunter2" not in arguments.stored_payload(wrapped)


@pytest.mark.usefixtures("filtering")
def test_what_cannot_be_read_is_not_shown_while_names_are_filtered() -> None:
    broken = Job.from_bytes(b'{"args":[{"token":"s3cret"')
    assert arguments.shown_payload(broken).text == "[FILTERED]"
    assert arguments.stored_payload(broken) == b"[FILTERED]"


def test_without_names_everything_is_shown_as_it_is_stored() -> None:
    broken = Job.from_bytes(b'{"args":[{"token":"s3cret"')
    assert arguments.shown_payload(broken).text == broken.raw.decode()
    assert "hunter2" in arguments.shown_args(job())
    assert arguments.stored_payload(job()) == job().raw
    assert not arguments.hides_some(job())


def test_encrypted_arguments_are_not_shown() -> None:
    assert arguments.shown_args(job(args=[1, "BAhTY2lwaGVy"], encrypt=True)) == '1,"[ENCRYPTED]"'
    assert arguments.hides_some(job(args=[1, "BAhTY2lwaGVy"], encrypt=True))


@pytest.mark.usefixtures("filtering")
def test_a_filter_looks_at_what_is_shown_and_so_tells_nothing_of_the_rest() -> None:
    for secret in ("s3cret", "s3", '"token":"s', "hunter2"):
        assert not ShownFilter(argument=secret).matches(job())
        assert not ShownFilter(text=secret).matches(job())
        assert not list(ShownFilter(argument=secret, text=secret).needles())
    assert ShownFilter(argument="ann@", text="FILTERED", class_name="Mail", queue="mail").matches(job())
    assert not ShownFilter(argument="ann@", queue="other").matches(job())
