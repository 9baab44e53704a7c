"""Who is served: the registrations that make sense, the longest registered first, as many as there is room for."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from mark_event_queue.domain.budget import CLIENTS_BYTES, LONGEST_CLIENT_NAME, LONGEST_QUEUE_URL, bytes_of
from mark_event_queue.domain.errors import FilterError
from mark_event_queue.domain.filters import Filter
from mark_event_queue.domain.held import GATE
from mark_event_queue.domain.order import instant_of
from mark_event_queue.domain.versions import pin_of

Client = dict[str, str]
"""What an execution's input says of a client: `{name, queueUrl, selects}`.

`selects` says whether its deliveries need a selection: never (empty), always (`ALWAYS`), or as long as the text, which
names its history, or the major version that it has pinned, is not among the recipients that the batch has.
"""
ALWAYS = "*"
BEGINNING = "beginning"
FORGOTTEN = "forgotten"

# More names than these in one log line help nobody, and a line has its limit.
_NAMES_TOLD = 100

_KEYS = ("queueUrl", "paused", "filter", "from", "notices", "major")
_HIGHEST_MAJOR = 99
_NOTICES = {FORGOTTEN}
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
class Subscription:
    """What a registration that makes sense says: which events go to which queue, from when on, and whether now."""

    name: str
    queue_url: str
    changed: datetime
    paused: bool = False
    filter: Filter | None = None
    since: str = ""
    """`beginning`, or an instant: from when on the client wants history. Empty: it wants none."""
    notices: frozenset[str] = frozenset()
    major: int = 0
    """The only major version of the contract that it takes; 0: whichever an event is valid in."""

    @property
    def history(self) -> str:
        """The name of its history, which no client and no other history has; empty if it wants none."""
        return history_of(self.name, self.since) if self.since else ""

    def as_client(self) -> Client:
        """Return what an execution's input says of it."""
        pin = pin_of(self.major) if self.major else ""
        selects = ALWAYS if self.paused or self.filter or (self.history and pin) else self.history or pin
        return {"name": self.name, "queueUrl": self.queue_url, "selects": selects}


@dataclass(frozen=True, slots=True)
class Admission:
    """The clients that are served, by name; the problems of malformed registrations; who found no room, in order."""

    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    malformed: dict[str, str] = field(default_factory=dict)
    crowded_out: list[str] = field(default_factory=list)

    @property
    def clients(self) -> list[Client]:
        """What an execution's input says of those who are served."""
        return [subscription.as_client() for subscription in self.subscriptions.values()]

    def problem(self, name: str) -> str:
        """Return why a client that has registered gets nothing, else an empty text."""
        if name in self.crowded_out:
            return f"is crowded out: the {len(self.subscriptions)} clients before it leave no room for another"
        return self.malformed.get(name, "")

    def complaints(self) -> list[str]:
        """Return what has to be told: a line for each malformed registration, one for all who are crowded out."""
        lines = [f"client {name} gets nothing: its registration {problem}" for name, problem in self.malformed.items()]
        if self.crowded_out:
            told = ", ".join(self.crowded_out[:_NAMES_TOLD])
            more = "" if len(self.crowded_out) <= _NAMES_TOLD else f" and {len(self.crowded_out) - _NAMES_TOLD} more"
            lines.append(
                f"{len(self.crowded_out)} clients get nothing: the {len(self.subscriptions)} that registered before "
                f"them leave a batch no room for another: {told}{more}"
            )
        return lines


def history_of(client: str, since: str) -> str:
    """Return the short name of a client's history of the time since; no client's name has a slash."""
    return f"/{sha256(f'{client}/{since}'.encode()).hexdigest()[:12]}"


def admit(registrations: Iterable[Registration]) -> Admission:
    """Decide who is served: the order is by last change, then by name.

    A registration counts from its last change on, for Systems Manager does not say when a parameter was made
    without a call for each. From the first that finds no room on, nobody is served.
    """
    admission = Admission()
    holders: dict[str, str] = {}
    served: dict[str, Subscription] = {}
    room = CLIENTS_BYTES
    for one in sorted(registrations, key=lambda one: (one.changed, one.name)):
        try:
            subscription = _read(one)
            queue = subscription.queue_url.rpartition("/")[2]
            _demand(queue not in holders, f"names the queue of client {holders.get(queue)}, which registered before it")
        except (_MalformedError, FilterError) as problem:
            admission.malformed[one.name] = str(problem)
            continue
        holders[queue] = one.name
        room -= bytes_of(subscription.as_client())
        if room < 0:
            admission.crowded_out.append(one.name)
        else:
            served[one.name] = subscription
    admission.subscriptions.update(sorted(served.items()))
    return admission


class _MalformedError(Exception):
    """A registration makes no sense; the text, which reads behind "its registration", says why."""


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise _MalformedError(otherwise)


def _read(registration: Registration) -> Subscription:
    problem = _problem_of_parameter(registration)
    _demand(not problem, problem)
    try:
        value = json.loads(registration.value, object_pairs_hook=_without_repeats)
    except _RepeatedKeyError as error:
        raise _MalformedError(f"has the key {error} twice") from None
    except (ValueError, RecursionError):
        raise _MalformedError("is not JSON") from None
    has_queue = isinstance(value, dict) and isinstance(value.get("queueUrl"), str)
    _demand(has_queue, 'has no text "queueUrl"')
    unknown = sorted(value.keys() - set(_KEYS))
    _demand(
        not unknown,
        f"has keys that are unknown here ({', '.join(map(_quoted, unknown))}); known: {', '.join(_KEYS)}",
    )
    problem = _problem_of_queue(value["queueUrl"], registration)
    _demand(not problem, problem)
    return Subscription(
        name=registration.name,
        queue_url=value["queueUrl"],
        changed=registration.changed,
        paused=_paused(value.get("paused", False)),
        filter=Filter(value["filter"]) if "filter" in value else None,
        since=_since(value.get("from", "")),
        notices=_notices(value.get("notices", [])),
        major=_major(value["major"]) if "major" in value else 0,
    )


def _paused(value: Any) -> bool:
    _demand(isinstance(value, bool), 'has a "paused" that is neither true nor false')
    return bool(value)


def _since(value: Any) -> str:
    problem = f'has a "from" that is neither "{BEGINNING}" nor an instant like 2026-01-31T09:30:00Z'
    _demand(isinstance(value, str) and (value in ("", BEGINNING) or instant_of(value) is not None), problem)
    return str(value)


def _notices(value: Any) -> frozenset[str]:
    known = isinstance(value, list) and all(isinstance(one, str) and one in _NOTICES for one in value)
    _demand(known, f'has "notices" that are not a list of those there are: {", ".join(sorted(_NOTICES))}')
    return frozenset(value)


def _major(value: Any) -> int:
    is_one = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _HIGHEST_MAJOR
    _demand(is_one, f'has a "major" that is no whole number from 1 to {_HIGHEST_MAJOR}')
    return int(value)


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
