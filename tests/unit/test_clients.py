"""Unit tier, `adapters.clients`: proves that a registration that makes no sense costs its own client alone.

Systems Manager is moto's; what IAM lets the converter read is proven on the deployed stack.
"""

import json
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from mark_event_queue.adapters.clients import Clients
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
    pages = list(ssm.get_paginator("get_parameters_by_path").paginate(Path=PATH))
    for found in [parameter for page in pages for parameter in page["Parameters"]]:
        ssm.delete_parameter(Name=found["Name"])


def _register(name: str, value: str) -> None:
    boto3.client("ssm").put_parameter(Name=f"{PATH}/{name}", Value=value, Type="String", Overwrite=True)


def _registered() -> tuple[list[dict], list[str]]:
    told: list[str] = []
    return Clients(PATH, lambda name, problem: told.append(f"{name} {problem}")).registered(), told


def test_clients_come_by_name(parameters):
    """Registered clients are returned with their queues, sorted, whatever order they were registered in."""
    for name in ("billing", "archive", "analytics"):
        _register(name, json.dumps({"queueUrl": client(name)["queueUrl"], "filter": "of later features"}))

    assert _registered() == ([client("analytics"), client("archive"), client("billing")], [])


def test_nobody_registered_is_no_error(parameters):
    """Without clients the events still go to the fan-out queue."""
    assert _registered() == ([], [])


def test_more_clients_than_one_page_are_all_found(parameters):
    """Systems Manager answers ten at a time; everybody is served."""
    for number in range(25):
        _register(f"c{number:02}", json.dumps({"queueUrl": URL}))

    registered, _ = _registered()

    assert [one["name"] for one in registered] == [f"c{number:02}" for number in range(25)]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("https://no.json/here", "is not JSON"),
        ("[" * 4_000, "is not JSON"),
        ("{", "is not JSON"),
        ("{}", 'has no text "queueUrl"'),
        ('{"queueURL": "x"}', 'has no text "queueUrl"'),
        ('{"queueUrl": null}', 'has no text "queueUrl"'),
        ('{"queueUrl": ["x"]}', 'has no text "queueUrl"'),
        ('["queueUrl"]', 'has no text "queueUrl"'),
        ('"queueUrl"', 'has no text "queueUrl"'),
        ("null", 'has no text "queueUrl"'),
        *[
            (json.dumps({"queueUrl": url}), "names no queue that matches MarkFanOutClient*.fifo")
            for url in (
                "",
                "MarkFanOutClientQueue.fifo",
                URL.removesuffix(".fifo"),
                URL.replace("MarkFanOutClient", "Payments"),
                URL.replace("Client", ""),
                URL + "\n",
                URL + "?x",
                "https://a b/MarkFanOutClientQueue.fifo",
                URL.replace("amazonaws", "a" * 300),
            )
        ],
    ],
)
def test_a_registration_that_makes_no_sense_costs_its_client_alone(parameters, value, problem):
    """Left out and told of with the reason; the others are served as ever."""
    _register("archive", json.dumps({"queueUrl": URL}))
    _register("broken", value)

    assert _registered() == ([client("archive", URL)], [f"broken {problem}"])


def test_a_name_too_long_to_carry_costs_its_client_alone(parameters):
    """Every name travels in every execution: one that is out of bounds takes no room from the events."""
    _register("n" * 100, json.dumps({"queueUrl": URL}))
    _register("n" * 101, json.dumps({"queueUrl": URL}))

    registered, told = _registered()

    assert [one["name"] for one in registered] == ["n" * 100]
    assert told == [f"{'n' * 101} has a name of more than 100 characters"]


def test_a_client_is_found_by_its_name(parameters):
    """Whoever names a client gets its queue."""
    _register("archive", json.dumps({"queueUrl": URL}))

    assert Clients(PATH, lambda *_: None).queue_url("archive") == URL


@pytest.mark.parametrize("name", ["archive", "Billing", "broken", ""])
def test_a_client_who_is_not_there_is_told_apart_from_those_who_are(parameters, name):
    """Unknown, or with a registration that makes no sense: the error says who is registered, and where."""
    _register("billing", json.dumps({"queueUrl": URL}))
    _register("broken", "{}")

    with pytest.raises(UnknownClientError, match=rf"{PATH}.*\['billing'\]"):
        Clients(PATH, lambda *_: None).queue_url(name)


def test_registrations_are_read_once_a_minute(parameters):
    """Within the cache's time a new client is not seen, and Systems Manager not asked."""
    _register("archive", json.dumps({"queueUrl": URL}))
    clients = Clients(PATH, lambda name, problem: None)
    before = clients.registered()

    _register("billing", json.dumps({"queueUrl": URL}))

    assert clients.registered() == before
    assert [one["name"] for one in _registered()[0]] == ["archive", "billing"]


def test_registrations_that_cannot_be_read_are_not_taken_for_none(monkeypatch):
    """When Systems Manager refuses, the invocation fails: no batch may pass its clients by."""
    with aws_fake((400, {"__type": "AccessDeniedException", "message": "no"})) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", aws.url)

        with pytest.raises(ClientsUnavailableError, match=PATH):
            _registered()
