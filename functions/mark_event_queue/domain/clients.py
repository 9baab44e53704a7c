"""Who is served: the registrations that make sense, the longest registered first, as many as there is room for."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mark_event_queue.domain.budget import CLIENTS_BYTES, LONGEST_CLIENT_NAME, LONGEST_QUEUE_URL, bytes_of
from mark_event_queue.domain.held import GATE

Client = dict[str, str]

# More names than these in one log line help nobody, and a line has its limit.
_NAMES_TOLD = 100

_KEYS = {"queueUrl"}
_NAME = re.compile(rf"[A-Za-z0-9_.-]{{1,{LONGEST_CLIENT_NAME}}}")  # what Systems Manager allows between two slashes
_QUEUE_URL = re.compile(r"https?://(?P<host>[A-Za-z0-9.-]+)(:[0-9]+)?/(?P<account>[0-9]+)/(?P<queue>[^/]+)")

# The queue names that the state machine's role may send to; see template.yaml. SQS allows 80 characters.
_QUEUE = re.compile(r"MarkFanOutClient[A-Za-z0-9_-]{0,59}\.fifo")

# Amazon SQS endpoints and quotas (AWS General Reference): regional, FIPS, dual-stack, the legacy ones with `queue`,
# and those of a VPC. The host of another engine says nothing of a region.
_AWS = r"(?:amazonaws\.(?:com|com\.cn|eu)|api\.aws|api\.amazonwebservices\.(?:com\.cn|eu))"
_AWS_HOST = re.compile(rf"(?:.+\.)?{_AWS}")
_SQS_HOST = re.compile(
    rf"(?:sqs(?:-fips)?\.(?P<regional>[a-z0-9-]+)|(?P<legacy>[a-z0-9-]+)\.queue|[a-z0-9.-]+\.sqs\.(?P<vpc>[a-z0-9-]+)\.vpce)\.{_AWS}"
)
_OLDEST_HOST, _OLDEST_HOST_REGION = "queue.amazonaws.com", "us-east-1"


@dataclass(frozen=True, slots=True)
class Registration:
    """A parameter under the clients' path: the rest of its name, its type and value, and when it was last changed."""

    name: str
    type: str
    value: str
    changed: datetime
    region: str
    account: str


@dataclass(frozen=True, slots=True)
class Admission:
    """The clients that are served, by name; the problems of malformed registrations; who found no room, in order."""

    clients: list[Client] = field(default_factory=list)
    malformed: dict[str, str] = field(default_factory=dict)
    crowded_out: list[str] = field(default_factory=list)

    def problem(self, name: str) -> str:
        """Return why a client that has registered gets nothing, else an empty text."""
        if name in self.crowded_out:
            return f"is crowded out: the {len(self.clients)} clients before it leave no room for another"
        return self.malformed.get(name, "")

    def complaints(self) -> list[str]:
        """Return what has to be told: a line for each malformed registration, one for all who are crowded out."""
        lines = [f"client {name} gets nothing: its registration {problem}" for name, problem in self.malformed.items()]
        if self.crowded_out:
            told = ", ".join(self.crowded_out[:_NAMES_TOLD])
            more = "" if len(self.crowded_out) <= _NAMES_TOLD else f" and {len(self.crowded_out) - _NAMES_TOLD} more"
            lines.append(
                f"{len(self.crowded_out)} clients get nothing: the {len(self.clients)} that registered before them "
                f"leave a batch no room for another: {told}{more}"
            )
        return lines


def admit(registrations: Iterable[Registration]) -> Admission:
    """Decide who is served: the order is by last change, then by name.

    A registration counts from its last change on, for Systems Manager does not say when a parameter was made
    without a call for each. From the first that finds no room on, nobody is served.
    """
    admission = Admission()
    holders: dict[str, str] = {}
    room = CLIENTS_BYTES
    for one in sorted(registrations, key=lambda one: (one.changed, one.name)):
        client, problem = _read(one)
        queue = client.get("queueUrl", "").rpartition("/")[2]
        if not problem and queue in holders:
            problem = f"names the queue of client {holders[queue]}, which registered before it"
        if problem:
            admission.malformed[one.name] = problem
            continue
        holders[queue] = one.name
        room -= bytes_of(client)
        if room < 0:
            admission.crowded_out.append(one.name)
        else:
            admission.clients.append(client)
    admission.clients.sort(key=lambda client: client["name"])
    return admission


def _read(registration: Registration) -> tuple[Client, str]:
    """Return the client of a registration, and what is wrong with it, which reads behind "its registration"."""
    problem = _problem_of_parameter(registration)
    if problem:
        return {}, problem
    try:
        value = json.loads(registration.value, object_pairs_hook=_without_repeats)
    except _RepeatedKeyError as error:
        return {}, f"has the key {error} twice"
    except (ValueError, RecursionError):
        return {}, "is not JSON"
    if not isinstance(value, dict) or not isinstance(value.get("queueUrl"), str):
        return {}, 'has no text "queueUrl"'
    unknown = sorted(value.keys() - _KEYS)
    if unknown:
        return {}, f"has keys that are unknown here ({', '.join(map(_quoted, unknown))}); known: {', '.join(_KEYS)}"
    problem = _problem_of_queue(value["queueUrl"], registration)
    return {"name": registration.name, "queueUrl": value["queueUrl"]}, problem


def _problem_of_parameter(registration: Registration) -> str:
    if "/" in registration.name:
        return "lies a level too deep: nothing but the client's name may follow the path"
    if len(registration.name) > LONGEST_CLIENT_NAME:
        return f"has a name of more than {LONGEST_CLIENT_NAME} characters"
    if registration.name == GATE:
        return f'has the name "{GATE}", which stands for the gate in front of all clients'
    if not _NAME.fullmatch(registration.name):
        return "has a name with other characters than A-Z a-z 0-9 _ . -"
    if registration.type != "String":
        return f"is a parameter of type {registration.type}, not String"
    return ""


def _problem_of_queue(queue_url: str, registration: Registration) -> str:
    url = _QUEUE_URL.fullmatch(queue_url)
    host = url["host"].lower() if url else ""
    region = _region_of(host, otherwise=registration.region)
    if len(queue_url) > LONGEST_QUEUE_URL or not url or not region or not _QUEUE.fullmatch(url["queue"]):
        return "names no queue that matches MarkFanOutClient*.fifo"
    if (url["account"], region) != (registration.account, registration.region):
        return (
            f"names a queue of account {url['account']} in {region}; "
            f"a queue has to be where its registration is: account {registration.account}, {registration.region}"
        )
    return ""


def _region_of(host: str, otherwise: str) -> str:
    """Return the region of an endpoint of SQS, empty for another of AWS's, `otherwise` for one that is not AWS's."""
    if not _AWS_HOST.fullmatch(host):
        return otherwise
    if host == _OLDEST_HOST:
        return _OLDEST_HOST_REGION
    sqs = _SQS_HOST.fullmatch(host)
    return (sqs["regional"] or sqs["legacy"] or sqs["vpc"]) if sqs else ""


class _RepeatedKeyError(Exception):
    """A JSON object has a key twice; the text is the key."""


def _without_repeats(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _RepeatedKeyError(_quoted(key))
        found[key] = value
    return found


def _quoted(key: str) -> str:
    """Return a key as a line of a log can hold it."""
    return json.dumps(key[:60])
