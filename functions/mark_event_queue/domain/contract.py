"""The contract: which JSON Schema an event has to satisfy, which rules it breaks, and in which versions it is valid."""

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import jsonschema_rs

_LONGEST_PATH = 100
_NOTICES = ("ForgottenNotice.json",)
_MAJOR_FOLDER = re.compile(r"v([1-9][0-9]?)")
_VERSION = re.compile(r"([1-9][0-9]?)(?:[.](?:0|[1-9][0-9]?)){2}")

MOST_MAJORS = 2
"""So many major versions are delivered side by side at most: every event is judged by each, and tells of each."""


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


# A double would round 0.99999999999999999999999 to 1: numbers are judged with all their digits.
read_exactly = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_number).decode


class Violation(NamedTuple):
    """A rule that an event breaks, and where: a JSON Pointer and a schema keyword, never a value."""

    path: str
    rule: str


class Judgement(NamedTuple):
    """What is found of an event: its type and the versions in which it is valid, oldest first, or the broken rules."""

    name: str
    versions: Sequence[str]
    violations: Sequence[Violation]


class IncompleteContractError(Exception):
    """A schema that the contract speaks of, or a part of it, is missing; raised before any judgement."""


class Contract:
    """The published schemas of one major version, compiled once."""

    def __init__(self, schemas: Mapping[str, Any], version: str) -> None:
        """Take the schemas by file name: one `<eventName>.json` per event type, and shared parts.

        `format` is not asserted: beside each stands a pattern that leaves it nothing to decide.

        Raises:
            IncompleteContractError: a file or a part of one is missing that the others speak of, or is no schema.
        """
        published = _demand_whole(schemas)
        self.version = version
        self.notice_names = frozenset(name.removesuffix(".json") for name in schemas if name.endswith("Notice.json"))
        try:
            registry = jsonschema_rs.Registry([(schema["$id"], schema) for schema in schemas.values()])
        except (KeyError, TypeError, ValueError) as error:
            raise IncompleteContractError(f"the schemas do not belong together: {error}") from error
        # It lists the event types, so it refuses an event of any other.
        self._envelope = _compiled("envelope.json", schemas["envelope.json"], registry)
        self._validators = {
            name.removesuffix(".json"): _compiled(name, schema, registry)
            for name, schema in schemas.items()
            if name.removesuffix(".json") in published
        }

    @property
    def event_names(self) -> frozenset[str]:
        """The published event types."""
        return frozenset(self._validators)

    def allows(self, name: str, event: Any) -> bool:
        """Tell whether an event of a type satisfies its schema; one of an unknown type does not."""
        return self._validators.get(name, self._envelope).is_valid(event)

    def violations(self, name: str, event: Any) -> list[Violation]:
        """Return every rule that an event of a type breaks."""
        errors = self._validators.get(name, self._envelope).iter_errors(event)
        return sorted({violation_of(error) for error in errors})


class Contracts:
    """The major versions that are delivered side by side."""

    def __init__(self, contracts: Sequence[Contract]) -> None:
        """Take one contract of each major version, the oldest first."""
        self._contracts = contracts

    @property
    def event_names(self) -> frozenset[str]:
        """The published event types, of any major version."""
        return frozenset().union(*(contract.event_names for contract in self._contracts))

    def judge(self, body: str) -> Judgement:
        """Return in which versions the event, given as JSON text, is valid; in none: every rule that it breaks.

        The rules are those of the major version that it comes nearest to.
        """
        try:
            event = read_exactly(body)
            name = _name_of(event)
            versions = [contract.version for contract in self._contracts if contract.allows(name, event)]
            return Judgement(name, versions, () if versions else self._violations(name, event))
        except (ValueError, ArithmeticError, RecursionError):
            # A lone surrogate, or a number or a nesting beyond every reader (RFC 7493): a batch must not fail on it.
            return Judgement("", (), [Violation("", "unreadable")])

    def judge_notice(self, name: str) -> Judgement:
        """Return in which versions a kind of notice is published."""
        return Judgement(name, [one.version for one in self._contracts if name in one.notice_names], ())

    def _violations(self, name: str, event: Any) -> list[Violation]:
        knowing = [one for one in self._contracts if name in one.event_names] or self._contracts[-1:]
        return min((contract.violations(name, event) for contract in knowing), key=len)


def _name_of(event: Any) -> str:
    name = event.get("eventName") if isinstance(event, dict) else None
    return name if isinstance(name, str) else ""


def load(folder: Path) -> Contracts:
    """Return the contracts that the folders of major versions in a folder (`v1`, `v2`, …) define.

    Raises:
        IncompleteContractError: there is none, there are too many, or one is not whole.
    """
    found = majors_in(folder)
    if not found:
        raise IncompleteContractError(f"{folder} has no folder of a major version of the contract, such as v1")
    if len(found) > MOST_MAJORS:
        raise IncompleteContractError(f"{folder} has {len(found)} major versions; {MOST_MAJORS} can be delivered")
    return Contracts([load_major(path) for path in found.values()])


def majors_in(folder: Path) -> dict[int, Path]:
    """Return the folders of major versions in a folder (`v1`, `v2`, …) by number, the oldest first."""
    found = {int(match[1]): path for path in folder.glob("v*") if (match := _MAJOR_FOLDER.fullmatch(path.name))}
    return dict(sorted(found.items()))


def load_major(folder: Path) -> Contract:
    """Return the contract that the schema files of the folder of a major version define; VERSION says which it is.

    Raises:
        IncompleteContractError: a file or a part of one is missing that the others speak of, or is no schema.
    """
    return Contract({path.name: _read_schema(path) for path in sorted(folder.glob("*.json"))}, version_in(folder))


def version_in(folder: Path) -> str:
    """Return the version of the contract in the folder of a major version, such as 1.2.0.

    Raises:
        IncompleteContractError: the file VERSION does not say it, or says one of another major version.
    """
    try:
        version = (folder / "VERSION").read_text("utf-8").strip()
    except (OSError, ValueError):
        raise IncompleteContractError(
            f"{folder.name}/VERSION, which says which version this is, is not there"
        ) from None
    match = _VERSION.fullmatch(version)
    if not match or f"v{match[1]}" != folder.name:
        raise IncompleteContractError(f"{folder.name}/VERSION does not hold a version like {folder.name[1:]}.2.0")
    return version


def _read_schema(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise IncompleteContractError(f"{path.name} is not JSON: {error}") from error


def _compiled(name: str, schema: Any, registry: jsonschema_rs.Registry) -> jsonschema_rs.Draft202012Validator:
    try:
        return jsonschema_rs.Draft202012Validator(schema, registry=registry, validate_formats=False, offline=True)
    except ValueError as error:
        problem = str(error).splitlines()[0]
        raise IncompleteContractError(f"{name}, or a file that it refers to, is no whole schema: {problem}") from error


def _demand_whole(schemas: Mapping[str, Any]) -> frozenset[str]:
    """Return the event types; refuse a contract that lacks a part, by which every event would be judged invalid."""
    try:
        published = schemas["envelope.json"]["properties"]["eventName"]["enum"]
    except (KeyError, TypeError):
        raise IncompleteContractError("envelope.json, which lists the event types, is not there") from None
    wanted = {"shared.json", *_NOTICES, *(f"{name}.json" for name in published)}
    if missing := sorted(wanted - schemas.keys()):
        raise IncompleteContractError(f"{', '.join(missing)} missing; a contract has it, or envelope.json speaks of it")
    return frozenset(published)


def violation_of(error: jsonschema_rs.ValidationError) -> Violation:
    """Return the rule of an error, and where it is broken."""
    steps = [*error.instance_path]
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Required):
        steps.append(error.kind.property)
    return Violation(pointer(steps), error.kind.name)


def pointer(steps: list[str | int]) -> str:
    """Return the JSON Pointer (RFC 6901) of a place in an event, cut where it gets too long to carry."""
    text = "".join([f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps])
    return text if len(text) <= _LONGEST_PATH else text[: _LONGEST_PATH - 1] + "*"
