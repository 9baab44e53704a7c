"""What people, or a change of a registration, ask of a history, checked before anything happens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mark_event_queue.domain.errors import HistoryRequestError
from mark_event_queue.domain.events import to_group_id

_KINDS: dict[str, type] = {
    "client": str,
    "mark": str,
    "again": bool,
    "stop": bool,
    "dryRun": bool,
    "segments": int,
    "eventsPerSecond": int,
    "settleSeconds": int,
}
_RANGES = {"segments": (1, 40), "eventsPerSecond": (1, 10_000), "settleSeconds": (0, 3_600)}
_WORDS = {str: "a text", bool: "true or false", int: "a whole number"}

SEGMENTS = 8
EVENTS_PER_SECOND = 500

# The longest that an execution may take which began before the client was closed (see TimeoutSeconds of the machine).
SETTLE_SECONDS = 240


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """A client's history, or that of one mark; or to stop it, or what it would come to; or what a change made due."""

    client: str
    mark: str = ""
    again: bool = False
    stop: bool = False
    dry_run: bool = False
    changed: str = ""
    """The operation on the registration (Create, Update, Delete) that asks, empty where somebody does."""
    segments: int = SEGMENTS
    events_per_second: int = EVENTS_PER_SECOND
    settle_seconds: int = SETTLE_SECONDS

    @property
    def group_id(self) -> str:
        """The group of the one mark, empty for all."""
        return to_group_id(self.mark) if self.mark else ""


def parse(asked: Mapping[str, Any], clients_path: str) -> HistoryRequest:
    """Return the request that the input of an execution makes: what somebody asks, or the detail of a change.

    Raises:
        HistoryRequestError: it makes none; the text says what is wrong and what to write instead.
    """
    _demand(isinstance(asked, Mapping), 'the input has to be an object: {"client": "<name>"}')
    if "operation" in asked:
        name = str(asked.get("name", ""))
        _demand(
            name.startswith(f"{clients_path}/"), f"the parameter that changed is none of those under {clients_path}"
        )
        return HistoryRequest(name.removeprefix(f"{clients_path}/"), changed=str(asked["operation"]))
    unknown = sorted(set(asked) - _KINDS.keys())
    _demand(not unknown, f"unknown fields {unknown}; known are {sorted(_KINDS)}")
    for name, kind in _KINDS.items():
        given = asked.get(name, kind())
        _demand(
            isinstance(given, kind) and (kind is bool or not isinstance(given, bool)), f'"{name}" is {_WORDS[kind]}'
        )
    for name, (least, most) in _RANGES.items():
        _demand(least <= asked.get(name, least) <= most, f'"{name}" is from {least} to {most}')
    _demand(bool(asked.get("client")), 'say whose history: {"client": "<name>"}')
    _demand(asked.get("mark") != "", '"mark" is empty; leave it out for all marks')
    _demand(not (asked.get("stop") and asked.keys() - {"client", "stop"}), '"stop" stands alone beside "client"')
    return HistoryRequest(
        client=asked["client"],
        mark=asked.get("mark", ""),
        again=asked.get("again", False),
        stop=asked.get("stop", False),
        dry_run=asked.get("dryRun", False),
        segments=asked.get("segments", SEGMENTS),
        events_per_second=asked.get("eventsPerSecond", EVENTS_PER_SECOND),
        settle_seconds=asked.get("settleSeconds", SETTLE_SECONDS),
    )


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise HistoryRequestError(otherwise)
