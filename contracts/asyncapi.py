"""Writes docs/contract/asyncapi.json: what clients receive, as an AsyncAPI document, from schemas and templates.

Nothing that stands elsewhere is typed again: payloads and examples are those of schemas/, names and settings of the
queues those of template.yaml and client.yaml, and the attributes of the examples those that the functions send.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from samtranslator.yaml_helper import yaml_parse

from contracts.generated import FOLDER, ROOT, GenerationError, write_or_check
from mark_event_queue.domain.contract import Contracts, load, majors_in, read_exactly, version_in
from mark_event_queue.domain.events import to_group_id, widened
from mark_event_queue.domain.rounds import entry_of
from mark_event_queue.domain.versions import as_pinned, told_by

DOCUMENT = FOLDER / "asyncapi.json"

Node = dict[str, Any]

_INFO = """
What a client of mark-event-queue receives: every event of every vehicle registration mark, each mark's in order, in an
SQS FIFO queue of its own.

Operations are told from the application's view: it **sends**. A client **receives** what the channel of its queue
lists; a client's own queue is the channel with a parameter.

- A message's body is the payload, as JSON. Its message attributes, all of type String, are the headers.
- Its group (`MessageGroupId`) is the mark, made fit for SQS. The order is kept within it.
- Numbers are exact, with up to 38 digits. Read them by a parser that does not round them to doubles.
- Objects are open: ignore properties that you do not know. What is not required may be absent or `null`; both mean that
  nothing is known.
- A message may come twice: drop an `eventId` that you have had, and a `sequenceNumber` not above the last of its mark.
""".strip()

# Of the settings of a queue those that the binding has a name for.
_SETTINGS = {
    "FifoQueue": "fifoQueue",
    "DeduplicationScope": "deduplicationScope",
    "FifoThroughputLimit": "fifoThroughputLimit",
    "DelaySeconds": "deliveryDelay",
    "VisibilityTimeout": "visibilityTimeout",
    "ReceiveMessageWaitTimeSeconds": "receiveMessageWaitTime",
    "MessageRetentionPeriod": "messageRetentionPeriod",
}
_BINDING = "0.2.0"
_CHECKPOINT = "4421000000000012345678"

_SEQUENCE_NUMBER: Node = {
    "type": "string",
    "pattern": f"^[0-9]{{{len(widened('1'))}}}$",
    "description": "Grows within a mark, as a number and as a text, but for what is `late`. Says nothing across marks.",
}
_ATTRIBUTES: dict[str, Node] = {
    "sequenceNumber": _SEQUENCE_NUMBER,
    "schemaVersions": {
        "type": "string",
        "pattern": "^[0-9]+([.][0-9]+){2}( [0-9]+([.][0-9]+){2})+$",
        "description": "All deployed versions in which the event is valid, oldest first, where they are several.",
        "examples": ["1.0.0 2.0.0"],
    },
    "late": {
        "const": "true",
        "description": "Only on an event that comes late, perhaps behind later events of its mark, by a replay.",
    },
    "history": {
        "const": "true",
        "description": "Only on an event of the time before the client joined. Its `sequenceNumber` counts from 1.",
    },
    "historyId": {
        "type": "string",
        "minLength": 1,
        "description": "Which history such an event belongs to. A new one begins each of its marks anew.",
    },
}

_ANNOTATIONS = frozenset({"title", "description", "$comment", "default", "examples", "readOnly", "writeOnly"})
_VALUES = frozenset(
    {"type", "enum", "const", "format", "pattern", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum"}
    | {"exclusiveMaximum", "multipleOf", "required", "minProperties", "maxProperties", "minItems", "maxItems"}
    | {"uniqueItems"}
)
_ONE_SCHEMA = frozenset({"not", "if", "then", "else", "items", "contains", "additionalProperties", "propertyNames"})
_SCHEMAS = frozenset({"allOf", "anyOf", "oneOf"})
_NAMED_SCHEMAS = frozenset({"properties", "patternProperties"})


class Major(NamedTuple):
    """A major version of the contract: its number, its version, and its schemas by name, such as LockEvent."""

    number: int
    version: str
    schemas: dict[str, Node]

    def component(self, name: str) -> str:
        """Return what a schema, or a message, of this version is called in the document."""
        return name if self.number == 1 else f"{name}.v{self.number}"

    @property
    def messages(self) -> list[str]:
        """The types of its events, then the kinds of its notices."""
        return [name for kind in ("Event", "Notice") for name in sorted(self.schemas) if name.endswith(kind)]


def document(root: Path = ROOT) -> Node:
    """Return the AsyncAPI document of a checkout.

    Raises:
        GenerationError: a schema uses what AsyncAPI's own schemas do not have, or an example is not valid.
    """
    contracts, every = load(root / "schemas"), list(majors(root / "schemas"))
    template, client = (yaml_parse((root / name).read_text("utf-8")) for name in ("template.yaml", "client.yaml"))
    named = [(major, name) for major in every for name in major.messages]
    events = [major.component(name) for major, name in named if name.endswith("Event")]
    notices = [major.component(name) for major, name in named if name.endswith("Notice")]
    channels = {
        "fanOut": _channel(
            "The fan-out queue", "Every valid event, once, whoever else is a client.", template, "FanOutQueue", events
        ),
        "originalClient": _channel(
            "The queue of the original application's client",
            "Every valid event, for this client alone.",
            template,
            "ClientQueue",
            events,
        ),
        "client": _own_queue(client, [*events, *notices]),
    }
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    return {
        "asyncapi": "3.0.0",
        "id": every[-1].schemas["envelope"]["$id"].partition("/schemas/")[0],
        "info": {
            "title": "Events of vehicle registration marks",
            "version": every[-1].version,
            "description": _INFO,
            "contact": {"name": project["authors"][0]["name"]},
            "license": {"name": project["license"]},
        },
        "defaultContentType": "application/json",
        "servers": {"sqs": _server()},
        "channels": channels,
        "operations": {
            f"send{name[0].upper()}{name[1:]}": _operation(name, channel) for name, channel in channels.items()
        },
        "components": {
            "messages": {major.component(name): _message(root, major, name, contracts) for major, name in named},
            "schemas": {name: schema for major in every for name, schema in schemas(major)} | _attributes(every[0]),
            "correlationIds": {
                "eventId": {
                    "description": "The same in all queues that an event goes to.",
                    "location": "$message.header#/eventId",
                }
            },
        },
    }


def text_of(value: Any, indent: str | None = "") -> str:
    """Return a value as JSON; a Decimal with all its digits, which the standard encoder refuses.

    It is indented, from `indent` on; None is one line without spaces.
    """
    deeper, colon = ("", ":") if indent is None else (f"\n{indent}  ", ": ")
    end, below = ("", None) if indent is None else (f"\n{indent}", f"{indent}  ")
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict) and value:
        parts = [f"{deeper}{_quoted(name)}{colon}{text_of(one, below)}" for name, one in value.items()]
        return f"{{{','.join(parts)}{end}}}"
    if isinstance(value, list) and value:
        return f"[{','.join(deeper + text_of(one, below) for one in value)}{end}]"
    return _quoted(value)


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def majors(folder: Path) -> Iterator[Major]:
    """Yield the major versions, the oldest first."""
    for number, path in majors_in(folder).items():
        schemas = {one.stem: json.loads(one.read_text("utf-8")) for one in sorted(path.glob("*.json"))}
        yield Major(number, version_in(path), schemas)


def _server() -> Node:
    return {
        "host": "sqs.{region}.amazonaws.com",
        "pathname": "/{account}",
        "protocol": "sqs",
        "title": "Amazon SQS",
        "description": "In the account and region of the stack. A queue's URL ends in the address of its channel.",
        "variables": {
            "region": {"description": "Region of the stack.", "examples": ["eu-west-2"]},
            "account": {"description": "Number of the account of the stack.", "examples": ["123456789012"]},
        },
    }


def _channel(title: str, description: str, template: Node, queue: str, messages: list[str]) -> Node:
    settings = template["Resources"][queue]["Properties"]
    name = settings["QueueName"]
    known = {said: settings[setting] for setting, said in _SETTINGS.items() if setting in settings}
    return {
        "address": name,
        "title": title,
        "description": description,
        "servers": [{"$ref": "#/servers/sqs"}],
        "messages": {message: {"$ref": f"#/components/messages/{message}"} for message in messages},
        "bindings": {"sqs": {"queue": {"name": name, **known}, "bindingVersion": _BINDING}},
    }


def _own_queue(client: Node, messages: list[str]) -> Node:
    """Return the channel of the queue that a client has made by client.yaml, with its name as a parameter."""
    settings = client["Resources"]["ClientQueue"]["Properties"]
    address = settings["QueueName"]["Fn::Sub"].replace("${ClientName}", "{name}")
    named, told = client["Parameters"]["ClientName"], client["Parameters"]["Notices"]
    queue = client | {"Resources": {"ClientQueue": {"Properties": settings | {"QueueName": address}}}}
    description = (
        "What a client gets that has registered: every valid event, but for those that its filter leaves out, and the "
        f"notices that it has asked for ({', '.join(value for value in told['AllowedValues'] if value)})."
    )
    channel = _channel("A client's own queue", description, queue, "ClientQueue", messages)
    return channel | {
        "parameters": {
            "name": {
                "description": f"{named['Description']} It matches `{named['AllowedPattern']}`.",
                "examples": ["Insurer"],
            }
        }
    }


def _operation(name: str, channel: Node) -> Node:
    queue = channel["bindings"]["sqs"]["queue"]
    return {
        "action": "send",
        "title": f"Send to {channel['title'][0].lower()}{channel['title'][1:]}",
        "description": "In order within each mark.",
        "channel": {"$ref": f"#/channels/{name}"},
        "bindings": {
            "sqs": {
                "queues": [{"name": queue["name"], "fifoQueue": queue["fifoQueue"]}],
                "bindingVersion": _BINDING,
            }
        },
    }


def _message(root: Path, major: Major, name: str, contracts: Contracts) -> Node:
    schema = major.schemas[name]
    folder = root / "schemas" / "examples" / f"v{major.number}" / name
    identity = {"correlationId": {"$ref": "#/components/correlationIds/eventId"}} if name.endswith("Event") else {}
    return {
        "name": major.component(name),
        "title": schema["title"],
        "summary": f"Version {major.version} of the contract.",
        "description": schema["description"],
        "contentType": "application/json",
        "headers": _headers(major, name),
        **identity,
        "payload": {"$ref": f"#/components/schemas/{major.component(name)}"},
        "examples": [_example(path, major, name, contracts) for path in sorted(folder.glob("*.json"))],
    }


def _headers(major: Major, name: str) -> Node:
    """Return the message attributes of a type of event, or of a kind of notice."""
    label = {
        "type": "string",
        "pattern": f"^{name}/{major.number}[.][0-9]+[.][0-9]+$",
        "description": "Its type, and the oldest deployed version in which it is valid. "
        "Absent only on what was held from before messages told it.",
        "examples": [f"{name}/{major.version}"],
    }
    number = {"sequenceNumber": _attribute("sequenceNumber")}
    if name.endswith("Notice"):
        kind = major.schemas[name]["properties"]["notice"]["const"]
        notice = {"const": kind, "description": "Tells the notice from events, which do not have it."}
        properties = {"notice": notice, **number, "schema": label}
        return {"type": "object", "required": ["notice", *number], "properties": properties}
    certain = {"eventId": _attribute("eventId"), **number}
    others = {other: _attribute(other) for other in _ATTRIBUTES if other not in certain}
    return {
        "type": "object",
        "required": [*certain],
        "properties": {**certain, "schema": label, **others},
        "dependencies": {"history": ["historyId"], "historyId": ["history"]},
    }


def _attribute(name: str) -> Node:
    return {"$ref": f"#/components/schemas/attributes.{name}"}


def _attributes(major: Major) -> dict[str, Node]:
    identity = major.schemas["envelope"]["properties"]["eventId"]
    return {f"attributes.{name}": schema for name, schema in {"eventId": identity, **_ATTRIBUTES}.items()}


def _example(path: Path, major: Major, name: str, contracts: Contracts) -> Node:
    """Return an example with the attributes that the functions would send it with."""
    body = path.read_text("utf-8")
    payload = read_exactly(body)
    is_notice = name.endswith("Notice")
    judgement = contracts.judge_notice(name) if is_notice else contracts.judge(body)
    if not any(version.startswith(f"{major.number}.") for version in judgement.versions):
        raise GenerationError(f"{path} is not valid in version {major.version}: mend it, or move it to its version")
    identity = {"notice": payload["notice"], "eventId": ""} if is_notice else {"eventId": payload["eventId"]}
    event = {"body": body, "groupId": to_group_id(payload["mark"]), "sequenceNumber": widened(_CHECKPOINT), **identity}
    entry = as_pinned(entry_of(event | told_by(judgement)), major.number) or {}
    return {
        "name": path.stem,
        "summary": path.stem.replace("-", " ").capitalize(),
        "headers": {key: attribute["StringValue"] for key, attribute in entry["MessageAttributes"].items()},
        "payload": payload,
    }


def schemas(major: Major) -> Iterator[tuple[str, Node]]:
    """Yield every schema of a major version, and every part that one defines, by its name in the document."""
    for name, schema in major.schemas.items():
        parts = {f"{name}.{part}": body for part, body in schema.get("$defs", {}).items()}
        for whole, body in {name: schema, **parts}.items():
            translated = _translated(body, major, name)
            if translated.keys() - _ANNOTATIONS:
                yield major.component(whole), translated


def _translated(schema: Any, major: Major, file: str) -> Any:
    """Return a schema of JSON Schema 2020-12 in AsyncAPI's dialect, which is that of draft 7 and has no file.

    There a `$ref` silences what stands beside it, so both become parts of an `allOf`.
    """
    if isinstance(schema, bool):
        return schema
    kept: Node = {}
    for keyword, value in schema.items():
        if keyword in _ANNOTATIONS | _VALUES:
            kept[keyword] = value
        elif keyword in _ONE_SCHEMA:
            kept[keyword] = _translated(value, major, file)
        elif keyword in _SCHEMAS:
            kept[keyword] = [_translated(one, major, file) for one in value]
        elif keyword in _NAMED_SCHEMAS:
            kept[keyword] = {name: _translated(one, major, file) for name, one in value.items()}
        elif keyword not in ("$schema", "$id", "$defs", "$ref"):
            raise GenerationError(
                f'schemas/v{major.number}/{file}.json uses "{keyword}", which AsyncAPI\'s schemas do not have: '
                "say it otherwise, or teach contracts/asyncapi.py how"
            )
    if "$ref" not in schema:
        return kept
    reference = {"$ref": _reference(schema["$ref"], major, file)}
    if not kept:
        return reference
    beside = {keyword: value for keyword, value in kept.items() if keyword not in _ANNOTATIONS}
    annotations = {keyword: value for keyword, value in kept.items() if keyword in _ANNOTATIONS}
    return {**annotations, "allOf": [reference, *([beside] if beside else [])]}


def _reference(text: str, major: Major, file: str) -> str:
    target, _, place = text.partition("#")
    name = target.removesuffix(".json") or file
    part = place.removeprefix("/$defs/")
    known: Mapping[str, Any] = major.schemas.get(name, {})
    if name not in major.schemas or (place and part not in known.get("$defs", {})):
        raise GenerationError(
            f'schemas/v{major.number}/{file}.json refers to "{text}": only files beside it and their $defs are known'
        )
    return f"#/components/schemas/{major.component(f'{name}.{part}' if place else name)}"


def main() -> None:
    """Write the document, or with --check tell whether it is up to date."""
    write_or_check("contracts.asyncapi", __doc__.splitlines()[0], DOCUMENT, lambda: f"{text_of(document())}\n")


if __name__ == "__main__":
    main()
