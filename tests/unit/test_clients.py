"""Unit tier, `adapters.clients`: proves what is read of Systems Manager, how often, and who is told what.

Who is served is decided by `domain.clients` (test_admission). Systems Manager is moto's; what IAM lets the converter
read is proven on the deployed stack.
"""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from mark_event_queue.adapters.clients import Clients
from mark_event_queue.domain.clients import Admission
from mark_event_queue.domain.errors import ClientsUnavailableError, UnknownClientError
from tests.builders import client
from tests.fakes import aws_fake

PATH = "/mark-event-queue/clients"
URL = "https://sqs.eu-west-2.amazonaws.com/123456789012/MarkFanOutClientQueue.fifo"


@pytest.fixture(scope="module")
def moto() -> Iterator[None]:
    """One moto for the file: to start it anew costs more than any of these tests."""
    with mock_aws():
        yield


@pytest.fixture
def parameters(moto: None) -> Iterator[None]:
    """A Systems Manager without parameters, and without them again afterwards."""
    yield
    ssm = boto3.client("ssm")
    pages = list(ssm.get_paginator("get_parameters_by_path").paginate(Path=PATH, Recursive=True))
    for found in [parameter for page in pages for parameter in page["Parameters"]]:
        ssm.delete_parameter(Name=found["Name"])


def _register(name: str, value: str, kind: Any = "String") -> None:
    boto3.client("ssm").put_parameter(Name=f"{PATH}/{name}", Value=value, Type=kind, Overwrite=True)


def _silent(admission: Admission) -> None:
    """Hear of nobody."""


def _registered() -> tuple[list[dict[str, str]], list[str]]:
    told: list[str] = []
    return Clients(PATH, lambda admission: told.extend(admission.complaints())).registered(), told


def test_clients_come_by_name(parameters):
    """Registered clients are returned with their queues, sorted, whatever order they were registered in."""
    for name in ("billing", "archive", "analytics"):
        _register(name, json.dumps({"queueUrl": client(name)["queueUrl"]}))

    assert _registered() == ([client("analytics"), client("archive"), client("billing")], [])


def test_nobody_registered_is_no_error(parameters):
    """Without clients the events still go to the fan-out queue."""
    assert _registered() == ([], [])


def test_registrations_are_kept_for_a_minute_and_no_longer(parameters):
    """A warm environment notices who came and who went within a minute, and asks no more often."""
    clock = SimpleNamespace(now=1_000_000.0)
    clients = Clients(PATH, _silent, cache_seconds=60, clock=lambda: clock.now)
    _register("archive", json.dumps({"queueUrl": URL}))
    assert [one["name"] for one in clients.registered()] == ["archive"]
    _register("billing", json.dumps({"queueUrl": URL}))
    boto3.client("ssm").delete_parameter(Name=f"{PATH}/archive")

    clock.now += 59
    assert [one["name"] for one in clients.registered()] == ["archive"]
    clock.now += 2
    assert [one["name"] for one in clients.registered()] == ["billing"]


def test_more_clients_than_one_page_are_all_found(parameters):
    """Systems Manager answers ten at a time; everybody is served."""
    for number in range(25):
        _register(f"c{number:02}", json.dumps({"queueUrl": client(f"c{number:02}")["queueUrl"]}))

    registered, _ = _registered()

    assert [one["name"] for one in registered] == [f"c{number:02}" for number in range(25)]


@pytest.mark.parametrize(
    ("name", "value", "kind", "problem"),
    [
        ("broken", "queue please", "String", "is not JSON"),
        ("team/broken", json.dumps({"queueUrl": client()["queueUrl"]}), "String", "lies a level too deep"),
        ("broken", json.dumps({"queueUrl": client()["queueUrl"]}), "SecureString", "is a parameter of type SecureStr"),
        ("broken", json.dumps({"queueUrl": URL.replace("1234", "9876")}), "String", "names a queue of account 9876"),
        ("broken", json.dumps({"queueUrl": URL.replace("eu-west-2", "eu-west-1")}), "String", "names a queue of acc"),
    ],
)
def test_a_registration_that_makes_no_sense_costs_its_client_alone(parameters, name, value, kind, problem):
    """Left out and told of with name and reason, which may be its place, type, account or region; others are served."""
    _register("archive", json.dumps({"queueUrl": URL}))
    _register(name, value, kind)

    registered, told = _registered()

    assert registered == [client("archive", URL)]
    assert [line.startswith(f"client {name} gets nothing: its registration {problem}") for line in told] == [True]


def test_who_registered_first_has_the_queue(parameters):
    """Of two names for one queue the later one is told of, also when its name comes first."""
    _register("zebra", json.dumps({"queueUrl": URL}))
    _register("archive", json.dumps({"queueUrl": URL}))

    registered, told = _registered()

    assert registered == [client("zebra", URL)]
    assert told == [
        "client archive gets nothing: its registration names the queue of client zebra, which registered before it"
    ]


def test_whoever_gets_nothing_is_told_of_once_a_reading(parameters):
    """A busy stream does not repeat for every batch what it said a moment ago."""
    _register("broken", "{}")
    told: list[Admission] = []
    clients = Clients(PATH, told.append)

    clients.registered()
    clients.registered()

    assert [list(admission.malformed) for admission in told] == [["broken"]]


def test_a_client_is_found_by_its_name(parameters):
    """Whoever names a client gets its queue."""
    _register("archive", json.dumps({"queueUrl": URL}))

    assert Clients(PATH, _silent).queue_url("archive") == URL


@pytest.mark.parametrize("name", ["archive", "Billing", ""])
def test_a_client_who_is_not_there_is_told_apart_from_those_who_are(parameters, name):
    """The error says who is registered, and where."""
    _register("billing", json.dumps({"queueUrl": URL}))

    with pytest.raises(UnknownClientError, match=rf"no client '{name}' .*{PATH}.*\['billing'\]"):
        Clients(PATH, _silent).queue_url(name)


def test_a_client_who_is_not_served_is_told_why(parameters):
    """Whoever names a client whose registration makes no sense hears what is wrong with it."""
    _register("broken", "{}")

    with pytest.raises(UnknownClientError, match=rf"'broken' is not served: .*{PATH} has no text \"queueUrl\""):
        Clients(PATH, _silent).queue_url("broken")


def test_registrations_are_read_once_a_minute(parameters):
    """Within the cache's time a new client is not seen, and Systems Manager not asked."""
    _register("archive", json.dumps({"queueUrl": URL}))
    clients = Clients(PATH, _silent)
    before = clients.registered()

    _register("billing", json.dumps({"queueUrl": client("billing")["queueUrl"]}))

    assert clients.registered() == before
    assert [one["name"] for one in _registered()[0]] == ["archive", "billing"]


def test_registrations_that_cannot_be_read_are_not_taken_for_none(monkeypatch):
    """When Systems Manager refuses, the invocation fails: no batch may pass its clients by."""
    with aws_fake((400, {"__type": "AccessDeniedException", "message": "no"})) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", aws.url)

        with pytest.raises(ClientsUnavailableError, match=PATH):
            _registered()
