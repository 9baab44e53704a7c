"""Contract tier, the Python package: proves that what other teams install judges, writes and reads as the gate does.

The wheel is built, and looked at in three ways: what is in it; unpacked, in this process; and installed into an empty
environment, where the tests of its README run against right and wrong consumers and producers. No index is asked:
the one package that the wheel needs is among those of the functions, and pytest and pydantic are lent from here.
"""

import ast
import copy
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from importlib import import_module, metadata
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from contracts.wheel import DOMAIN, GATE_MODULES, NAME, PACKAGE, build
from local.bootstrap import WHEELS
from mark_consumer.consumer import Verdict, consume, message_of
from mark_event_queue.domain.attributes import json_object
from mark_event_queue.domain.budget import LARGEST_EVENT_BYTES
from mark_event_queue.domain.contract import Contracts, load_major, majors_in, read_exactly, version_in
from mark_event_queue.domain.events import convert
from mark_event_queue.domain.versions import told_by
from tests.builders import ROOT, record, removal
from tests.client_view import ClientView
from tests.contract.two_majors import raise_first_major, two_majors

SCHEMAS = ROOT / "schemas"
MAJOR = [*majors_in(SCHEMAS).values()][-1]
"""The newest major version: of its wheel are the tests that speak of one."""
GATE = Contracts([load_major(MAJOR)])
EXAMPLES = sorted((SCHEMAS / "examples" / MAJOR.name).glob("*Event/*.json"))
COUNTEREXAMPLES = SCHEMAS / "counterexamples" / MAJOR.name / "events.json"
CONSUMERS = ROOT / "tests" / "contract" / "consumers"
README = PACKAGE / "README.md"
UNREADABLE = ["", "{", "[]", "null", '{"eventName":NaN}', '{"eventName":"\\ud800"}', '{"a":' * 9_000, "9" * 9_000]


def _exact(path: Path) -> Any:
    return read_exactly(path.read_text("utf-8"))


def _price(event: Any) -> Any:
    return event["RegistrationNumber"].get("price")


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def _snippets() -> list[str]:
    """Return the Python of the README."""
    return re.findall(r"^```python\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def _test_of(who: str) -> str:
    """Return the test of the README that imports somebody's module."""
    (test,) = [snippet for snippet in _snippets() if f"from {who} import" in snippet]
    return test


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the newest major version, built from what is here."""
    return build(tmp_path_factory.mktemp("wheel"))[-1]


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of its files."""
    return _unpacked(wheel, tmp_path_factory.mktemp("unpacked"))


def _unpacked(wheel: Path, folder: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def package(unpacked: Path) -> Iterator[Any]:
    """The package, imported from there."""
    sys.path.insert(0, str(unpacked))
    yield import_module(NAME)
    sys.path.remove(str(unpacked))
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def typed_event(package: Any) -> Callable[[str], Any]:
    """What reads an event as a typed model."""
    found: Callable[[str], Any] = import_module(f"{NAME}.typed").typed_event
    return found


@pytest.fixture(scope="module")
def instant(package: Any) -> Any:
    """The type of instants."""
    return import_module(f"{NAME}.instants").Instant


class Environment(NamedTuple):
    """An environment into which the wheel was installed, and what can be lent to it of this one."""

    python: Path
    pytest: Path
    pydantic: Path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An empty environment, into which the wheel was installed with what it needs."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "--python", str(python)]
    _succeed(*pip, "install", "--quiet", "--no-index", "--find-links", str(WHEELS), str(wheel))
    return Environment(python, *(_lent(name, tmp_path_factory.mktemp(name)) for name in ("pytest", "pydantic")))


def _lent(package: str, folder: Path) -> Path:
    """Fill a folder with a package of this environment and with those that it needs."""
    for distribution in _with_needs(package):
        for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            (folder / top).symlink_to(str(distribution.locate_file(top)))
    return folder


def _with_needs(package: str) -> list[metadata.Distribution]:
    found: dict[str, metadata.Distribution] = {}
    waiting = [package]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = metadata.distribution(name)
            needs = map(Requirement, found[name].requires or ())
            waiting += [need.name for need in needs if not need.marker or need.marker.evaluate({"extra": ""})]
    return list(found.values())


def _run(*command: str, path: tuple[Path, ...] = (), folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "PIP_"))}
    environment |= {"PYTHONPATH": os.pathsep.join(map(str, path)), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)


def _succeed(*command: str, path: tuple[Path, ...] = (), folder: Path | None = None) -> str:
    done = _run(*command, path=path, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# What is in the wheel.


def test_the_wheel_has_the_version_of_the_contract(wheel: Path):
    """Not that of the application."""
    assert wheel.name == f"{NAME}-{version_in(MAJOR)}-py3-none-any.whl"


def test_the_wheel_holds_what_is_published_and_nothing_else(wheel: Path, unpacked: Path):
    """Each file as it is here; no test, no trace of where it was built."""
    own = {f"{NAME}/{path.relative_to(PACKAGE / NAME)}": path for path in (PACKAGE / NAME).rglob("*") if path.is_file()}
    folders = [SCHEMAS / place / MAJOR.name for place in (".", "examples", "counterexamples")]
    published = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    expected = {name: path for name, path in own.items() if "__pycache__" not in name}
    expected |= {f"{NAME}/schemas/{path.relative_to(SCHEMAS)}": path for path in published}
    about = wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"
    expected[f"{about}/licenses/LICENSE"] = ROOT / "LICENSE"
    made = {f"{NAME}/models.py", *(f"{NAME}/gate/{module}.py" for module in GATE_MODULES)}
    made |= {f"{about}/{name}" for name in ("METADATA", "RECORD", "WHEEL")}

    assert set(zipfile.ZipFile(wheel).namelist()) == expected.keys() | made
    assert [name for name, path in expected.items() if (unpacked / name).read_bytes() != path.read_bytes()] == []
    assert [path for path in unpacked.rglob("*") if path.is_file() and str(ROOT).encode() in path.read_bytes()] == []


@pytest.mark.parametrize("module", GATE_MODULES)
def test_the_modules_of_the_gate_can_be_packed(unpacked: Path, module: str):
    """They import nothing of the application but one another, and go into the wheel as they are but for that."""
    source = (DOMAIN / f"{module}.py").read_text("utf-8")
    packed = (unpacked / NAME / "gate" / f"{module}.py").read_text("utf-8")
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    imported = {name for node in nodes for name in (getattr(node, "module", None), *[one.name for one in node.names])}

    assert {name for name in imported if name and name.startswith("mark_event_queue")} <= {
        f"mark_event_queue.domain.{other}" for other in GATE_MODULES
    }
    assert not any(node.level for node in nodes if isinstance(node, ast.ImportFrom))
    assert packed.replace(f"{NAME}.gate.", "mark_event_queue.domain.") == source


# The package judges as the gate does.


def test_it_judges_as_the_gate_does(package: Any):
    """Every example and counter-example, as a text, as bytes and as a dict."""
    bodies = [one.body for one in (*package.examples(), *package.counterexamples())]
    assert len(bodies) > len(EXAMPLES)

    for body in bodies:
        expected = [tuple(violation) for violation in GATE.judge(body).violations]
        for event in (body, body.encode(), read_exactly(body)):
            assert [tuple(violation) for violation in package.violations(event)] == expected


@pytest.mark.parametrize("body", UNREADABLE, ids=lambda body: body[:20])
def test_what_no_reader_takes_is_judged_as_the_gate_does(package: Any, body: str):
    """It is a broken contract, not a failure of another kind; to read it is one, too."""
    expected = GATE.judge(body).violations

    assert [tuple(one) for one in package.violations(body)] == [tuple(one) for one in expected] != []
    with pytest.raises(package.ContractError):
        package.validate(body)
    if not body.endswith('"}'):
        with pytest.raises(package.ContractError):
            package.read(body)


@pytest.mark.parametrize(
    ("price", "broken"),
    [
        (Decimal("0.1"), []),
        (0.1, []),
        (10**30, []),
        (-0.5, [("/RegistrationNumber/price", "minimum")]),
        (Decimal("-1E-30"), [("/RegistrationNumber/price", "minimum")]),
        (float("nan"), [("", "unreadable")]),
        (Decimal("Infinity"), [("", "unreadable")]),
    ],
)
def test_values_of_a_dict_are_judged_as_they_are(package: Any, price: Any, broken: list[Any]):
    """Numbers of any kind; one that JSON does not have is unreadable, as its text would be."""
    event = next(package.examples()).event
    event["RegistrationNumber"]["price"] = price

    assert package.violations(event) == broken


@pytest.mark.parametrize(("event", "place"), [({"a": [b""]}, "/a/0"), ({"a": {1: 2}}, "/a"), ({2: 1}, "the event")])
def test_what_json_does_not_have_is_a_mistake_of_the_caller(package: Any, event: Any, place: str):
    """It is told where."""
    with pytest.raises(TypeError, match=f"^{place} .* which JSON does not have"):
        package.validate(event)


def test_what_breaks_the_contract_is_told_without_values(package: Any):
    """Paths and rules, in the text and as values; the error survives a process's end."""
    (broken,) = [one for one in package.counterexamples() if str(one) == "several rules at once"]

    with pytest.raises(ValueError, match=r"^the event breaks the contract: ") as raised:
        package.validate(broken.body)

    assert isinstance(raised.value, package.ContractError)
    assert str(raised.value) == (
        "the event breaks the contract: /RegistrationNumber/Status (enum), /RegistrationNumber/price (type), "
        "/eventId (pattern)"
    )
    assert vars(raised.value) == {"violations": tuple(sorted(broken.violations))}
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)  # noqa: S301 (our own)


def test_a_type_that_the_contract_does_not_have_is_told_apart(package: Any):
    """A consumer passes over it; an event without a type, or with one that is no text, is broken."""
    event = next(package.examples()).event

    with pytest.raises(package.UnknownEventTypeError, match="pass the event over"):
        package.validate(event | {"eventName": "PaintEvent"})
    for broken in ({**event, "eventName": None}, {"eventId": event["eventId"]}):
        with pytest.raises(package.ContractError) as raised:
            package.validate(broken)
        assert not isinstance(raised.value, package.UnknownEventTypeError)


# Each major version has a wheel of its own.


@pytest.fixture(scope="module")
def schemas_of_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two major versions."""
    return two_majors(tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def wheels_of_two(schemas_of_two: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Their wheels."""
    return build(tmp_path_factory.mktemp("wheels_of_two"), schemas_of_two)


def test_each_major_version_has_a_wheel_of_its_own(schemas_of_two: Path, wheels_of_two: list[Path]):
    """With its version, and with nothing of the other."""
    one = version_in(schemas_of_two / "v1")

    assert [wheel.name.split("-")[1] for wheel in wheels_of_two] == [one, "2.0.0"]
    for wheel, major, other in zip(wheels_of_two, ("v1", "v2"), ("v2", "v1"), strict=True):
        held = {name.removeprefix(f"{NAME}/") for name in zipfile.ZipFile(wheel).namelist()}
        there = {str(path.relative_to(schemas_of_two.parent)) for path in schemas_of_two.rglob("*.json")}
        assert {name for name in held if name.endswith(".json")} == {name for name in there if f"/{major}/" in name}
        assert not [name for name in held if f"/{other}/" in name]


@pytest.mark.slow
def test_a_minor_version_beside_a_newer_major_is_a_wheel_of_that_version(wheels_of_two: list[Path], tmp_path: Path):
    """It takes the place of the one before, knows what it has added, and changes no byte of the newer one's wheel."""
    schemas, dist = two_majors(tmp_path), tmp_path / "dist"
    raise_first_major(schemas)
    dist.mkdir()
    (dist / wheels_of_two[0].name).touch()

    first, second = build(dist, schemas)

    assert (first.name, second.name) == (f"{NAME}-1.9.0-py3-none-any.whl", wheels_of_two[1].name)
    assert sorted(dist.iterdir()) == [first, second]
    assert second.read_bytes() == wheels_of_two[1].read_bytes()
    assert _said(first, tmp_path / "unpacked", _COLOURED) == "LockEvent/with-a-colour 1.9.0 yellow\n"


def test_a_newer_major_version_changes_nothing_in_the_wheel_of_the_first(wheels_of_two: list[Path], wheel: Path):
    """To the byte: the same sources give the same wheel."""
    (first,) = [one for one in wheel.parent.iterdir() if one.name.startswith(f"{NAME}-1.")]

    assert wheels_of_two[0].read_bytes() == first.read_bytes()


_COLOURED = """
from mark_event_contracts import examples
from mark_event_contracts.typed import typed_event
(one,) = [one for one in examples() if one.event["RegistrationNumber"].get("colour")]
print(one, one.attributes["schema"].partition("/")[2], typed_event(one.body).RegistrationNumber.colour)
"""

_OF_A_MAJOR = """
import json
from mark_event_contracts import *
from mark_event_contracts.typed import typed_event
found = [*examples()]
event = next(one.event for one in found if one.event["RegistrationNumber"].get("price"))
event = json.loads(json.dumps(event, default=float))
leased = event | {"RegistrationNumber": event["RegistrationNumber"] | {"Status": "MARK_LEASED", "price": 1}}
priceless = event | {"RegistrationNumber": {k: v for k, v in event["RegistrationNumber"].items() if k != "price"}}

def read_as_model(event):
    try:
        return str(typed_event(json.dumps(event)).RegistrationNumber.Status)
    except ContractError as error:
        return str(error.violations[0])

print(json.dumps({
    "version": CONTRACT_VERSION,
    "schemas": sorted({one.attributes["schema"].partition("/")[2] for one in (*found, *notices())}),
    "attributes": sorted({name for one in found for name in one.attributes}),
    "models": [type(typed_event(one.body)).__name__ for one in found] == [one.event_name for one in found],
    "broken": [str(one) for one in counterexamples() if violations(one.body) != sorted(one.violations)],
    "leased": read_as_model(leased) == "MARK_LEASED",
    "priceless": [tuple(one) for one in violations(priceless)],
}))
"""


def test_each_wheel_reads_the_events_of_its_major_version(wheels_of_two: list[Path], tmp_path: Path):
    """By judgement and by models; an event that only the other one allows breaks it."""
    first, second = (json.loads(_said(one, tmp_path / one.name, _OF_A_MAJOR)) for one in wheels_of_two)

    one = wheels_of_two[0].name.split("-")[1]
    same = {"attributes": ["eventId", "schema", "sequenceNumber"], "models": True, "broken": []}
    assert first == same | {"version": one, "schemas": [one], "leased": False, "priceless": []}
    missing = [["/RegistrationNumber/price", "required"]]
    assert second == same | {"version": "2.0.0", "schemas": ["2.0.0"], "leased": True, "priceless": missing}


def _said(wheel: Path, folder: Path, script: str) -> str:
    """Return what a script prints that imports the package of a wheel."""
    return _succeed(sys.executable, "-c", script, path=(_unpacked(wheel, folder),))


# What it has of examples.


def test_examples_are_messages_as_a_client_gets_them(package: Any):
    """Body, attributes and group are what the application makes of them; nothing is missing."""
    found = [*package.examples()]
    events = [example.event for example in found]

    assert [_name(path) for path in EXAMPLES if _exact(path) not in events] == []
    assert len({str(example) for example in found}) == len(found) == len(EXAMPLES)
    for example in found:
        event = convert(record(example.item))
        assert example.body == event.body
        assert example.event_name == example.event["eventName"]
        number = {"sequenceNumber": example.attributes["sequenceNumber"]}
        assert example.attributes == {"eventId": event.event_id} | number | told_by(GATE.judge(event.body))
        assert example.as_sqs_record()["attributes"]["MessageGroupId"] == event.group_id
    assert re.fullmatch(r"(\d{40} ?)+", " ".join(example.attributes["sequenceNumber"] for example in found))


def test_a_consumer_takes_in_every_example(package: Any):
    """The worked one, as records of its queue, in their order: none repeats, is overtaken or leaves a gap behind it."""
    view = ClientView()

    verdicts = {consume(message_of(example.as_sqs_record()), view.store)[0] for example in package.examples()}

    assert verdicts == {Verdict.TAKEN_IN}


def test_an_example_is_the_same_whatever_a_test_did_to_it(package: Any):
    """Its event may be changed."""
    example = next(package.examples())
    before = copy.deepcopy(example.event)

    example.event["RegistrationNumber"].clear()

    assert example.event == before


def test_examples_catch_who_reads_inexactly(package: Any):
    """Among them are prices that no double holds, unknown ones, and instants that a datetime does not tell apart."""
    events = [example.event for example in package.examples()]
    inexact = {str(_price(event)) for event in events if _no_double(_price(event))}
    states = [event["RegistrationNumber"] for event in events]
    instants = sorted(event["createTime"] for event in events)

    assert {"0.1", "299.99999999999999999999"} <= inexact
    assert any("price" not in state for state in states)
    assert any("price" in state and state["price"] is None for state in states)
    assert any(one[:-2] == other[:-2] for one, other in pairwise(instants) if len(one) > 29)


def test_notices_are_told_apart_from_events(package: Any):
    """By their attribute; the worked consumer forgets the mark."""
    (notice,) = package.notices()
    message = message_of(notice.as_sqs_record())

    assert notice.event == {"notice": "forgotten", "mark": "AFC 6"}
    told = told_by(GATE.judge_notice("ForgottenNotice"))
    assert notice.attributes == {"notice": "forgotten", "sequenceNumber": "1".zfill(40)} | told
    assert consume(message, ClientView().store)[0] == Verdict.FORGOTTEN


def test_counterexamples_break_what_they_say(package: Any):
    """All of it, and nothing else."""
    found = [*package.counterexamples()]
    listed = _exact(COUNTEREXAMPLES)

    assert [(str(one), one.event) for one in found] == [(one["description"], one["data"]) for one in listed]
    for one in found:
        assert package.violations(one.body) == sorted(one.violations) != []


# What it is to producers.


def test_an_item_becomes_the_text_that_clients_get(package: Any):
    """As the converter writes it, from an item or from a record of the stream."""
    for example in package.examples():
        assert package.body_of(example.item) == package.body_of(record(example.item)) == json_object(example.item)
        package.validate_item(example.item)
        package.validate_item(record(example.item))


@pytest.mark.parametrize(
    ("broken", "place"),
    [
        ({"mark": "AFC 6"}, "/mark is not an attribute value"),
        ({"RegistrationNumber": {"M": {"price": {"N": "2,50"}}}}, "/RegistrationNumber/price is not a number"),
        ({"RegistrationNumber": {"M": {"price": {"D": "1"}}}}, "/RegistrationNumber/price has an unknown"),
        (removal(), "the record has no NewImage"),
    ],
)
def test_what_is_no_item_is_told_so(package: Any, broken: Any, place: str):
    """Where, and how it should be; not what stands there."""
    with pytest.raises(package.ItemError, match=f"^{place}") as raised:
        package.validate_item(broken)

    assert "2,50" not in str(raised.value)
    assert "AFC 6" not in str(raised.value)


def test_an_item_that_breaks_the_contract_is_refused(package: Any):
    """By the rules that the gate would tell."""
    item = next(package.examples()).item
    item["RegistrationNumber"]["M"]["price"] = {"S": "0.1"}

    with pytest.raises(package.ContractError, match="/RegistrationNumber/price \\(type\\)"):
        package.validate_item(item)


@pytest.mark.parametrize("filler", ["x", "é"])
def test_an_item_that_is_larger_than_promised_is_refused(package: Any, filler: str):
    """By what mark-event-queue promises to deliver: bytes of the text that clients get."""
    item = next(package.examples()).item
    room = LARGEST_EVENT_BYTES - len(package.body_of(item | {"more": {"S": ""}}))
    width = len(json.dumps(filler)) - 2
    item["more"] = {"S": filler * (room // width) + "x" * (room % width)}

    package.validate_item(item)
    item["more"]["S"] += "x"
    with pytest.raises(package.ContractError) as raised:
        package.validate_item(item)

    assert package.LARGEST_EVENT_BYTES == LARGEST_EVENT_BYTES
    told = f"too large: {LARGEST_EVENT_BYTES + 1} bytes of JSON, at most {LARGEST_EVENT_BYTES} are promised"
    assert raised.value.violations == (package.Violation("", told),)
    package.validate(package.body_of(item))


# The typed models.


def test_every_example_is_a_model_of_its_type(package: Any, typed_event: Any):
    """With all that the event says, digit for digit; also what nobody knows yet."""
    for example in package.examples():
        event, model = example.event, typed_event(example.body)

        assert type(model).__name__ == example.event_name
        assert (model.RegistrationNumber.price, type(model.RegistrationNumber.price)) in {
            (_price(event), Decimal),
            (None, type(None)),
        }
        assert str(model.createTime) == event["createTime"]
        assert _texts(model.model_dump(exclude_unset=True)) == _texts(event)


def _texts(value: Any) -> Any:
    """Return what is told, numbers and instants as they are written."""
    if isinstance(value, dict):
        return {name: _texts(member) for name, member in value.items()}
    return value if value is None else str(value)


@given(st.integers(0, 10**38 - 1), st.integers(-130, 88))
def test_any_number_of_the_table_is_read_exactly(typed_event: Any, digits: int, exponent: int):
    """38 digits wherever the point is: as a price, and as a version if it is a whole number."""
    number = Decimal(f"{digits}E{exponent}")
    version = number if number == number.to_integral_value() and number else Decimal(1)

    state = typed_event(_body(f'"price":{number},"version":{version}')).RegistrationNumber

    assert state.price.as_tuple() == number.as_tuple()
    assert (state.version, type(state.version)) == (version, int)


def _body(numbers: str) -> str:
    time = "2026-03-01T08:00:00.123456789Z"
    state = f'{{"mark":"A","eventTime":"{time}",{numbers}}}'
    event_id = "6c0fe689-a699-5abd-bf75-78d822a5af39"
    return (
        f'{{"eventId":"{event_id}","eventName":"LockEvent","createTime":"{time}","mark":"A",'
        f'"RegistrationNumber":{state}}}'
    )


def test_a_model_takes_no_float_and_no_change(typed_event: Any):
    """A float has lost digits already, whoever made it; the refusal does not tell values."""
    body = _body('"price":299.5,"version":1')
    event = typed_event(body)

    refusals: list[tuple[Any, Callable[[Any], Any]]] = [
        (body, event.model_validate_json),
        (json.loads(body), event.model_validate),
    ]
    for given_as, refuses in refusals:
        with pytest.raises(ValueError, match="a float has lost digits: read the text by typed_event") as raised:
            refuses(given_as)
        assert "299.5" not in str(raised.value)
    with pytest.raises(ValueError, match="frozen"):
        event.RegistrationNumber.price = Decimal(1)


def test_an_event_that_breaks_the_contract_is_no_model(package: Any, typed_event: Any):
    """It breaks it as it does everywhere; an unknown type is one here, too."""
    for one in package.counterexamples():
        with pytest.raises(package.ContractError) as raised:
            typed_event(one.body)
        assert raised.value.violations == tuple(sorted(one.violations))
    with pytest.raises(package.UnknownEventTypeError):
        typed_event(_body('"version":1').replace("LockEvent", "PaintEvent"))


_SECOND = st.datetimes().map(lambda time: time.replace(microsecond=0).isoformat())
_FRACTION = st.from_regex("([0-9]{3}){1,3}", fullmatch=True)


@given(st.tuples(_SECOND, _FRACTION), st.tuples(_SECOND, _FRACTION))
def test_instants_compare_as_instants(instant: Any, one: tuple[str, str], other: tuple[str, str]):
    """Not as their texts; those that are equal hash alike, however many digits they have."""
    early, late = sorted((one, other), key=lambda printed: (printed[0], printed[1].ljust(9, "0")))
    first, second = (instant(f"{second}.{fraction}Z") for second, fraction in (early, late))
    padded = instant(f"{early[0]}.{early[1]:0<9}Z")

    assert first <= second
    assert (first == second) == (early[0] == late[0] and int(f"{early[1]:0<9}") == int(f"{late[1]:0<9}"))
    assert (padded, hash(padded)) == (first, hash(first))
    assert padded.nanoseconds % 10**9 == int(f"{early[1]:0<9}")


def test_an_instant_keeps_its_text_and_all_its_digits(instant: Any):
    """A datetime has but microseconds."""
    early, late = instant("2026-03-04T08:00:00.000000001Z"), instant("2026-03-04T08:00:00.000000002Z")

    assert late.nanoseconds - early.nanoseconds == 1
    assert early.as_datetime() == late.as_datetime()
    assert early.as_datetime().isoformat() == "2026-03-04T08:00:00+00:00"
    assert instant("1969-12-31T23:59:59.999999999Z").nanoseconds == -1
    assert instant("1969-12-31T23:59:59.999999999Z").as_datetime().isoformat() == "1969-12-31T23:59:59.999999+00:00"
    assert str(early) == "2026-03-04T08:00:00.000000001Z"
    assert instant("2026-03-04T08:00:00Z") < instant("2026-03-04T08:00:00.001Z")
    assert instant("2026-03-04T08:00:00Z") == instant("2026-03-04T08:00:00.000Z") != "2026-03-04T08:00:00Z"


@pytest.mark.parametrize(
    "text", ["", "2026-03-04", "2026-02-30T08:00:00Z", "2026-03-04T08:00:00+00:00", "2026-03-04T08:00:00.1Z", None]
)
def test_what_is_no_instant_is_refused(instant: Any, text: Any):
    """By a text that does not repeat it."""
    with pytest.raises(ValueError, match=r"^this is no instant as events have them, like 2026-01-31T09:30:00\.123Z$"):
        instant(text)


# The wheel, installed into an empty environment.


@pytest.mark.slow
def test_it_needs_no_more_than_it_says(installed: Environment):
    """The package is of use without pydantic, the typed models with it; nothing of the application is there."""
    judge = "import mark_event_contracts as m; [m.validate(one.body) for one in m.examples()]; print(m.__file__)"
    typed = "import mark_event_contracts.typed"

    assert _succeed(str(installed.python), "-c", judge).startswith(str(installed.python.parent.parent))
    assert "No module named 'pydantic'" in _run(str(installed.python), "-c", typed).stderr
    _succeed(str(installed.python), "-c", typed, path=(installed.pydantic,))
    assert "No module named 'mark_event_queue'" in _run(str(installed.python), "-c", "import mark_event_queue").stderr


def _never(_price: Any) -> bool:
    return False


def _no_double(price: Any) -> bool:
    return price is not None and Decimal(float(price)) != price


def _unknown(price: Any) -> bool:
    return price is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("consumer", "misreads"),
    [
        ("right", _never),
        ("typed", _never),
        ("floats", _no_double),
        ("counts_on_a_price", _unknown),
    ],
)
def test_the_consumers_test_of_the_readme(
    installed: Environment, tmp_path: Path, package: Any, consumer: str, misreads: Callable[[Any], bool]
):
    """Green on every example for a right consumer; red for one that forgets decimals, or nulls, and on those alone."""
    shutil.copy(CONSUMERS / f"{consumer}.py", tmp_path / "my_consumer.py")
    names = {str(example): misreads(_price(example.event)) for example in package.examples()}

    failed, passed = _outcomes(
        _test_of("my_consumer"), installed.python, (installed.pytest, installed.pydantic), tmp_path
    )

    assert failed == {name for name, misread in names.items() if misread}
    assert passed == names.keys() - failed
    assert bool(failed) == (misreads is not _never)


@pytest.mark.slow
@pytest.mark.parametrize(("producer", "red"), [("right_producer", False), ("wrong_producer", True)])
def test_the_producers_test_of_the_readme(installed: Environment, tmp_path: Path, producer: str, red: bool):
    """Green for a producer whose items pass the gate, red for another."""
    shutil.copy(CONSUMERS / f"{producer}.py", tmp_path / "my_producer.py")

    failed, passed = _outcomes(_test_of("my_producer"), installed.python, (installed.pytest,), tmp_path)

    assert (len(failed), len(passed)) == (int(red), int(not red))


def _outcomes(test: str, python: Path, path: tuple[Path, ...], folder: Path) -> tuple[set[str], set[str]]:
    """Run a test; return the parameters, or names, of those that failed and of those that passed."""
    (folder / "test_it.py").write_text(test, "utf-8")
    (folder / "pytest.ini").write_text("[pytest]", "utf-8")
    command = (str(python), "-m", "pytest", "-rA", "-p", "no:cacheprovider", "--tb=no")
    done = _run(*command, path=(*path, folder), folder=folder)
    lines = re.findall(r"^(PASSED|FAILED) \S+::(?:\w+\[(.+?)\]|(\w+))", done.stdout, re.MULTILINE)
    failed, passed = ({one or other for told, one, other in lines if told == said} for said in ("FAILED", "PASSED"))
    assert done.returncode == bool(failed), done.stdout + done.stderr
    return failed, passed


@pytest.mark.slow
def test_what_else_the_readme_shows_runs(installed: Environment, package: Any):
    """Each piece by itself, for the example that has most digits."""
    (example,) = [one for one in package.examples() if str(one) == "LockEvent/price-with-many-digits"]
    pieces = [snippet for snippet in _snippets() if "from my_" not in snippet]
    assert len(pieces) > 1

    printed = [
        _succeed(str(installed.python), "-c", f"message_body = {example.body!r}\n{piece}", path=(installed.pydantic,))
        for piece in pieces
    ]

    assert "299.99999999999999999999\n1772614800100000000\n" in printed


_MISUSE = """
from mark_event_contracts import examples, read
from mark_event_contracts.typed import typed_event

for example in examples():
    event = typed_event(example.body)
    price: float = event.RegistrationNumber.price
    instant: str = event.createTime
    event.RegistrationNumber.Status == "SOLD"
    number: int = example.attributes["sequenceNumber"]
    read(event)
"""


@pytest.mark.slow
def test_its_types_are_those_of_its_users(installed: Environment, tmp_path: Path):
    """Mypy, as strict as it can be, finds nothing in the package or in a right consumer, and a wrong one's mistakes."""
    shutil.copy(CONSUMERS / "typed.py", tmp_path / "right.py")
    (tmp_path / "wrong.py").write_text(_MISUSE, "utf-8")
    (tmp_path / "mypy.ini").touch()
    (folder,) = (installed.python.parent.parent / "lib").glob("python*/site-packages")
    (folder / "lent.pth").write_text(str(installed.pydantic), "utf-8")
    mypy = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file",
        "mypy.ini",
        "--python-executable",
        str(installed.python),
    ]

    right = _run(*mypy, "-p", NAME, "-m", "right", folder=tmp_path)
    wrong = _run(*mypy, "wrong.py", folder=tmp_path)
    (folder / "lent.pth").unlink()

    assert right.returncode == 0, right.stdout
    assert re.findall(r"^wrong.py:(\d+): error:", wrong.stdout, re.MULTILINE) == ["7", "8", "9", "10", "11"]
