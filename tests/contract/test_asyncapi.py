"""Contract tier, AsyncAPI: proves that the document says what schemas, templates and functions say, and can be read.

AsyncAPI's own parser, from npm, judges the document. Whether a tool that is not asked here takes it, this cannot prove.
"""

import copy
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest
from jsonschema import Draft7Validator

from contracts import asyncapi, pages
from contracts.generated import ROOT, GenerationError
from contracts.node import installed
from mark_event_queue.domain.clients import Subscription
from mark_event_queue.domain.contract import load, read_exactly
from mark_event_queue.domain.rounds import MAY_BE_TOLD
from mark_event_queue.history.past import Rules, past_of
from tests.builders import COUNTEREXAMPLES, EVENT_NAMES, EXAMPLES, NOW, SCHEMAS, item
from tests.contract.by_node import node_tools
from tests.contract.reference import comparable, contract_pairs
from tests.template.translation import source

Document = dict[str, Any]
Diagnostics = list[list[Any]]

TEXT = asyncapi.DOCUMENT.read_text("utf-8")
DOCUMENT: Document = read_exactly(TEXT)
PAGE = pages.PAGE.read_text("utf-8")
MESSAGES: Document = DOCUMENT["components"]["messages"]


@pytest.fixture(scope="session")
def diagnose() -> Iterator[Callable[[Document], Diagnostics]]:
    """Return what AsyncAPI's parser says of a document, in one process of node."""
    node = node_tools()
    process = subprocess.Popen(
        [node.node, str(installed(ROOT / "contracts" / "parser", node.npm) / "validate.mjs")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )

    def judge(document: Document) -> Diagnostics:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(asyncapi.text_of(document)) + "\n")
        process.stdin.flush()
        found: Diagnostics = json.loads(process.stdout.readline())
        return found

    yield judge
    process.communicate()


# ----------------------------------------------------------------------------------------------------------------------
# The document is valid
# ----------------------------------------------------------------------------------------------------------------------
def test_asyncapis_own_parser_finds_nothing_wrong(diagnose):
    """Neither an error nor a warning; it mentions that AsyncAPI has a later version, which fewer tools can read."""
    assert {(severity, rule) for severity, rule, *_ in diagnose(DOCUMENT)} == {(2, "asyncapi-latest-version")}


def _without_a_schema(document: Document) -> str:
    del document["components"]["schemas"]["envelope"]
    return "invalid-ref"


def _with_a_setting_that_no_queue_has(document: Document) -> str:
    document["channels"]["fanOut"]["bindings"]["sqs"]["queue"]["messageRetentionPeriod"] = 1_209_601
    return "asyncapi-document-resolved"


def _with_a_type_that_is_none(document: Document) -> str:
    document["components"]["schemas"]["shared.mark"]["type"] = "text"
    return "asyncapi-document-resolved"


def _with_a_parameter_too_many(document: Document) -> str:
    document["channels"]["client"]["parameters"]["another"] = {"description": "Not in the address."}
    return "asyncapi3-channel-parameters"


@pytest.mark.parametrize(
    "breaking",
    [_without_a_schema, _with_a_setting_that_no_queue_has, _with_a_type_that_is_none, _with_a_parameter_too_many],
)
def test_the_parser_refuses_a_broken_copy(diagnose, breaking):
    """So that its silence means something."""
    broken = copy.deepcopy(DOCUMENT)
    rule = breaking(broken)

    assert rule in {found for severity, found, *_ in diagnose(broken) if severity == 0}


# ----------------------------------------------------------------------------------------------------------------------
# It says what is said elsewhere
# ----------------------------------------------------------------------------------------------------------------------
def test_the_document_and_the_page_are_up_to_date():
    """What is committed is what the commands write: python -m contracts.asyncapi, then python -m contracts.pages."""
    assert f"{asyncapi.text_of(asyncapi.document())}\n" == TEXT
    assert pages.made() == PAGE


def test_every_type_of_event_is_a_message_of_every_queue():
    """And notices of a client's own queue alone, for there alone a registration can ask for them."""
    listed = {name: set(channel["messages"]) for name, channel in DOCUMENT["channels"].items()}

    assert listed["fanOut"] == listed["originalClient"] == set(EVENT_NAMES)
    assert listed["client"] == {*EVENT_NAMES, "ForgottenNotice"} == set(MESSAGES)


@pytest.mark.parametrize(
    ("channel", "template", "queue"),
    [
        ("fanOut", "template.yaml", "FanOutQueue"),
        ("originalClient", "template.yaml", "ClientQueue"),
        ("client", "client.yaml", "ClientQueue"),
    ],
)
def test_a_queue_is_bound_as_its_template_makes_it(channel, template, queue):
    """Nothing that a template sets is left out, but how SQS encrypts, which the binding has no word for."""
    said = DOCUMENT["channels"][channel]["bindings"]["sqs"]["queue"]
    settings = source(template)["Resources"][queue]["Properties"]
    encryption = {"SqsManagedSseEnabled", "KmsMasterKeyId"}

    unnamed = {key[0].lower() + key[1:]: value for key, value in settings.items() if key not in encryption}
    name = unnamed.pop("queueName")
    assert said == unnamed | {"name": DOCUMENT["channels"][channel]["address"]}
    assert said["name"] == (name if isinstance(name, str) else name["Fn::Sub"].replace("${ClientName}", "{name}"))


def test_examples_have_all_their_digits():
    """Those of the published files, number for number as they are written."""
    for name, message in MESSAGES.items():
        published = sorted((EXAMPLES / name).glob("*.json"))
        assert [one["payload"] for one in message["examples"]] == [
            _exactly(path.read_text("utf-8")) for path in published
        ]
    assert "299.99999999999999999999" in asyncapi.text_of([Decimal("299.99999999999999999999")])


def _exactly(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_what_the_functions_send_has_the_attributes_that_are_told(name):
    """By those of the examples, which the functions' own code has made; none is there that is not told of."""
    headers = _as_draft_7(MESSAGES[name]["headers"])
    for example in MESSAGES[name]["examples"]:
        headers.validate(example["headers"])
        assert example["headers"].keys() <= MESSAGES[name]["headers"]["properties"].keys()


def test_attributes_of_history_are_told():
    """An event that the functions bring of the past is a message of the document."""
    rules = Rules(load(SCHEMAS.parent), Subscription("a", "u", NOW, since="beginning"), "run1", (), True, NOW)
    (entry,) = past_of([item(1)], (), (), rules).entries
    told = {name: value["StringValue"] for name, value in entry["MessageAttributes"].items()}
    message = MESSAGES[told["schema"].partition("/")[0]]

    _as_draft_7(message["headers"]).validate(told)
    properties = message["headers"]["properties"].keys()
    assert {"history", "historyId"} <= told.keys() <= properties
    assert properties == told.keys() | {"eventId", "sequenceNumber", *MAY_BE_TOLD}


# ----------------------------------------------------------------------------------------------------------------------
# Its schemas are those that are published
# ----------------------------------------------------------------------------------------------------------------------
def _as_draft_7(schema: Document) -> Draft7Validator:
    """Return a validator of a schema of the document, in the dialect that AsyncAPI's schemas are of."""
    return Draft7Validator({"components": DOCUMENT["components"], "allOf": [schema]})


def _broken(name: str, body: str) -> set[tuple[str, str]]:
    pairs = set()
    for error in _as_draft_7(MESSAGES[name]["payload"]).iter_errors(_exactly(body)):
        steps = [*error.absolute_path]
        if error.validator == "required":
            steps += [one for one in error.validator_value if one not in error.instance]
        pairs.add(("".join(f"/{step}" for step in steps), error.validator))
    return pairs


# One of no type that is published is judged by the envelope, of which there are no messages.
FORBIDDEN = [
    case for case in _exactly(COUNTEREXAMPLES.read_text("utf-8")) if case["data"].get("eventName") in EVENT_NAMES
]


@pytest.mark.parametrize("name", sorted(EVENT_NAMES))
def test_the_documents_schemas_allow_what_is_published(name):
    """Every example, without a rule that is broken: AsyncAPI's parser does not look into those of a message."""
    for path in (EXAMPLES / name).glob("*.json"):
        assert not _broken(name, path.read_text("utf-8"))


@pytest.mark.parametrize("case", FORBIDDEN, ids=lambda case: case["description"])
def test_the_documents_schemas_forbid_what_the_contract_forbids(case):
    """By the same rules at the same places, so that none is lost on the way from one dialect to the other."""
    body = asyncapi.text_of(case["data"], None)
    broken = comparable(_broken(case["data"]["eventName"], body))

    assert broken == comparable(contract_pairs(body))
    assert broken


# ----------------------------------------------------------------------------------------------------------------------
# Another version, another schema
# ----------------------------------------------------------------------------------------------------------------------
@pytest.fixture
def checkout(tmp_path):
    """Return a copy of what the document is made from, with a second major version that the first's events satisfy."""
    for name in ("template.yaml", "client.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(SCHEMAS.parent, tmp_path / "schemas")
    for folder in ("", "examples/", "counterexamples/"):
        shutil.copytree(tmp_path / f"schemas/{folder}v1", tmp_path / f"schemas/{folder}v2")
    for path in (tmp_path / "schemas" / "v2").glob("*.json"):
        path.write_text(path.read_text("utf-8").replace("/schemas/v1/", "/schemas/v2/"), "utf-8")
    (tmp_path / "schemas" / "v2" / "VERSION").write_text("2.0.0\n", "utf-8")
    return tmp_path


def test_a_second_major_version_stands_beside_the_first(checkout, diagnose):
    """Its messages and schemas have names of their own, its examples what those get who have pinned it."""
    document = asyncapi.document(checkout)
    first, second = (document["components"]["messages"][name] for name in ("LockEvent", "LockEvent.v2"))

    assert document["info"]["version"] == "2.0.0"
    assert {"LockEvent", "LockEvent.v2"} <= document["channels"]["fanOut"]["messages"].keys()
    assert first["examples"][0]["headers"]["schema"] == "LockEvent/1.0.0"
    assert second["examples"][0]["headers"]["schema"] == "LockEvent/2.0.0"
    assert second["examples"][0]["headers"]["schemaVersions"] == "1.0.0 2.0.0"
    second_schemas = {name: one for name, one in document["components"]["schemas"].items() if name.endswith(".v2")}
    assert set(re.findall(r"#/components/schemas/([\w.]+)", json.dumps(second_schemas))) <= second_schemas.keys()
    assert not [found for found in diagnose(document) if found[0] < 2]
    assert 'id="message-LockEvent.v2"' in pages.Page(document).html()


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ({"unevaluatedProperties": False}, 'schemas/v1/LockEvent.json uses "unevaluatedProperties"'),
        ({"properties": {"a": {"$ref": "elsewhere.json"}}}, 'schemas/v1/LockEvent.json refers to "elsewhere.json"'),
        ({"properties": {"a": {"$ref": "#/$defs/none"}}}, 'schemas/v1/LockEvent.json refers to "#/$defs/none"'),
    ],
)
def test_what_cannot_be_said_in_asyncapi_is_refused(rule, complaint):
    """Rather than left out, for then the document would allow what the contract forbids."""
    (major,) = asyncapi.majors(SCHEMAS.parent)
    changed = major._replace(schemas=major.schemas | {"LockEvent": {"title": "LockEvent", **rule}})

    with pytest.raises(GenerationError, match=re.escape(complaint)):
        dict(asyncapi.schemas(changed))


def test_an_example_that_is_not_valid_is_refused(checkout):
    """With its path, and what to do; never with a value."""
    path = checkout / "schemas" / "examples" / "v1" / "LockEvent" / "wrong.json"
    path.write_text('{"eventName":"LockEvent","eventId":"x","mark":"SECRET"}', "utf-8")

    with pytest.raises(GenerationError, match=r"wrong\.json is not valid in version 1\.0\.0: mend it") as refused:
        asyncapi.document(checkout)
    assert "SECRET" not in str(refused.value)


# ----------------------------------------------------------------------------------------------------------------------
# The page
# ----------------------------------------------------------------------------------------------------------------------
class _Read(HTMLParser):
    """What a page holds: its tags, its anchors, its links, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.text = ""
        self.feed(PAGE)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        given = dict(attrs)
        self.anchors.add(given.get("id") or "")
        self.links |= {value for key, value in attrs if key in ("href", "src") and value}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_no_network_and_no_script():
    """It loads nothing, and links to its own places and to the document beside it."""
    page = _Read()

    assert not page.tags & {"script", "link", "img", "iframe", "object", "embed"}
    assert "url(" not in PAGE
    assert "@import" not in PAGE
    assert {link for link in page.links if not link.startswith("#")} == {"asyncapi.json"}
    assert {link[1:] for link in page.links if link.startswith("#")} <= page.anchors


def test_the_page_says_all_that_the_document_says():
    """Every queue, message, property, pattern, status and example, with all digits."""
    page = _Read()

    assert {f"channel-{name}" for name in DOCUMENT["channels"]} <= page.anchors
    assert {f"message-{name}" for name in MESSAGES} <= page.anchors
    for message in MESSAGES.values():
        assert all(asyncapi.text_of(example["payload"]) in page.text for example in message["examples"])
    for keyword, value in _rules(DOCUMENT["components"]["schemas"]):
        assert value in page.text, keyword


def _rules(node: Any) -> Iterator[tuple[str, str]]:
    """Yield what stands in schemas as a text of their own: names of properties, patterns, what is allowed."""
    for keyword, value in node.items():
        if keyword == "properties":
            yield from ((keyword, name) for name in value)
        if keyword == "pattern":
            yield keyword, json.dumps(value, ensure_ascii=False)
        if keyword == "enum" and value != list(EVENT_NAMES) and None in value:
            yield from ((keyword, json.dumps(one)) for one in value)
        if isinstance(value, dict):
            yield from _rules(value)
        elif isinstance(value, list):
            yield from (rule for one in value if isinstance(one, dict) for rule in _rules(one))
