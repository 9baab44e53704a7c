"""Contract tier, evolution: proves that the gate allows what clients can live with, and nothing else of what is listed.

`changes.json` lists changes of 1.0.0 with their verdicts; each goes through the command `meq contract check`. It
cannot prove the gate right for changes that nobody thought of: rules and generated events are two opinions on those.
"""

import json
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meq.__main__ import commands
from meq.contract.checking import unexplained
from meq.contract.evolution import LOOSENED, TIGHTENED, Difference, differences
from meq.contract.generated import Judge, Side, rejected
from meq.contract.places import Documents
from tests.builders import ROOT
from tests.contract.changing import CHANGES, another_major, changed, edit

UNCHANGED: dict[str, Any] = {"edits": [], "version": "1.0.0"}
OPTIONAL: dict[str, Any] = {
    "edits": [{"file": "envelope.json", "op": "add", "path": "/properties/channel", "value": {"type": "string"}}],
    "version": "1.1.0",
}
PRICE = "/$defs/registrationNumber/properties/price"
CHEAPER = {"file": "shared.json", "op": "replace", "path": f"{PRICE}/minimum", "value": -1}
BREAKING: dict[str, Any] = {"edits": [CHEAPER], "version": "1.1.0"}

breaking_changes = [change for change in CHANGES if change["verdict"] == "breaking"]


def _named(change: dict[str, Any]) -> str:
    return str(change["description"])


def _meq(*arguments: str | Path) -> Result:
    return CliRunner().invoke(commands, ["contract", *map(str, arguments)])


def _checked(folder: Path, exit_code: int) -> dict[str, Any]:
    """Return what the check of a folder prints as JSON."""
    result = _meq("check", "--schemas", folder, "--json")
    assert result.exit_code == exit_code, result.output
    printed: dict[str, Any] = json.loads(result.stdout)
    return printed


@pytest.mark.parametrize("change", CHANGES, ids=_named)
def test_the_gate_judges_a_change_as_listed(tmp_path, change):
    """Verdict, kind, place, rule, direction and who found it are as listed, and no finding is without a rule."""
    found = _checked(changed(tmp_path, change), 0 if change["verdict"] == "allowed" else 1)
    (major,) = found["majors"]

    assert found["allowed"] == (change["verdict"] == "allowed")
    assert major["kind"] == change["kind"]
    assert [text for text in major["problems"] if change.get("problem", "no problem") in text] == major["problems"][:1]
    assert bool(major["findings"]) == (change["verdict"] == "breaking")
    if major["findings"]:
        shown = [one for one in major["findings"] if {**one, **change["finding"]} == one]
        against = change.get("against", major["against"])
        assert [(one["foundBy"], one["against"]) for one in shown] == [
            (["rules", "generated"] if change["generated"] else ["rules"], against)
        ]
        assert all("rules" in one["foundBy"] and one["allowed"].endswith(".") for one in major["findings"])


_SCALARS = st.sampled_from([None, True, 0, 1, Decimal("1.5"), "a", "ab"])
_LEAVES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.lists(
            st.sampled_from(["null", "boolean", "integer", "number", "string"]), min_size=1, max_size=3, unique=True
        ),
        "enum": st.lists(_SCALARS, min_size=1, max_size=4, unique_by=str),
        "const": _SCALARS,
        "minimum": st.integers(-1, 1),
        "exclusiveMinimum": st.integers(-1, 1),
        "maximum": st.integers(1, 3),
        "minLength": st.integers(0, 2),
        "maxLength": st.integers(1, 3),
        "pattern": st.sampled_from(["^a", "^[ab]+$", "b"]),
        "not": st.sampled_from([{"const": "ab"}, {"type": "null"}]),
    },
)
_SCHEMAS = st.recursive(
    _LEAVES | st.booleans(),
    lambda inner: (
        st.fixed_dictionaries(
            {"type": st.sampled_from(["object", ["object", "null"]])},
            optional={
                "properties": st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
                "required": st.lists(st.sampled_from("ab"), unique=True),
                "additionalProperties": st.just(False),
                "allOf": st.lists(inner, min_size=1, max_size=2),
            },
        )
        | st.fixed_dictionaries({"type": st.just("array"), "items": inner}, optional={"maxItems": st.integers(1, 2)})
        | st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=2)})
    ),
    max_leaves=4,
)


def _side(schema: Any) -> Side:
    document = {"$id": "https://example/v1/x.json", "allOf": [schema]}
    schemas = {"x.json": document}
    return Side(Documents(schemas, "v1").place("x.json"), Judge(schemas, "v1").of("x.json"))


@st.composite
def _pairs(draw: st.DrawFn) -> tuple[Any, Any]:
    """Return two schemas; the second is often the first one, changed."""
    one, two = draw(_SCHEMAS), draw(_SCHEMAS)
    if isinstance(one, dict) and isinstance(two, dict):
        two = draw(st.sampled_from([two, {**one, **two}, {"allOf": [one, two]}]))
    return (two, one) if draw(st.booleans()) else (one, two)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(_pairs())
def test_the_rules_find_what_generated_events_show_whatever_two_schemas_say(pair):
    """No event of either is rejected by the other without a rule that tells why."""
    old, new = map(_side, pair)

    there = [{Difference(*why, TIGHTENED) for why in event} for event in rejected(old, new, free=False).rejections]
    back = [{Difference(*why, LOOSENED) for why in event} for event in rejected(new, old, free=True).rejections]

    assert unexplained(list(differences(old.place, new.place)), [frozenset(event) for event in there + back]) == []


@given(_SCHEMAS)
def test_a_schema_does_not_differ_from_itself(schema):
    """However it is written."""
    assert list(differences(_side(schema).place, _side({"allOf": [schema, schema]}).place)) == []


def test_what_an_event_shows_breaks_also_where_no_rule_tells_why():
    """An event is explained by one rule that it breaks; of one that none explains all is told."""
    pattern, length = Difference("/mark", "pattern", TIGHTENED), Difference("/mark", "maxLength", TIGHTENED)
    seen = [frozenset({pattern, length}), frozenset({length})]

    assert unexplained([pattern, length], seen) == []
    assert unexplained([pattern], seen) == [length]
    assert unexplained([pattern._replace(direction=LOOSENED)], seen) == [length, pattern]


def test_a_schema_that_allows_nothing_is_noticed(tmp_path):
    """No event could show anything of it, so the check does not count as done."""
    nothing = {"file": "shared.json", "op": "add", "path": "/$defs/mark/const", "value": 7}

    (major,) = _checked(changed(tmp_path, {"edits": [nothing], "version": "1.1.0"}), 1)["majors"]

    assert major["problems"][0] == (
        "v1/AddressUpdateEvent.json allows none of the events that were generated for it: does it allow any?"
    )


def test_nearly_every_breaking_change_is_shown_by_an_event():
    """The two opinions are independent: what events cannot show is `format`, and the like, and is the exception."""
    unseen = [change["finding"]["rule"] for change in breaking_changes if not change["generated"]]

    assert sorted(unseen) == ["format", "maxLength", "notice removed"]
    assert len(breaking_changes) > 30


def test_the_repository_has_nothing_to_do_or_to_publish():
    """Its schemas are those published last."""
    result = _meq("check", "--schemas", ROOT / "schemas")

    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == "Nothing to do."


def test_the_same_finding_is_told_once_for_all_event_types(tmp_path):
    """With what it means, what would be allowed, and how to begin a new major version; no value is printed."""
    schemas = changed(tmp_path, BREAKING)

    result = _meq("check", "--schemas", schemas)

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{schemas}/v1 1.1.0 against 1.0.0: 1 breaking change",
        "  AddressUpdateEvent and 7 more  /RegistrationNumber/price  minimum  "
        "loosened: consumers of 1.0.0 could not read what is allowed now.",
        "    Found by the rules, and a generated event shows it.",
        "    Allowed instead: Keep the rule: what it does not allow goes into a new optional property beside it.",
        f"Make it an allowed change, or a new major version: cp -r {schemas}/v1 {schemas}/v2; in {schemas}/v2 put /v2/ "
        f"into each $id and 2.0.0 into VERSION; then take the change back in {schemas}/v1.",
    ]


def test_a_check_says_the_same_each_time(tmp_path):
    """Also how many events it generated, which are some hundreds at least."""
    schemas = changed(tmp_path, OPTIONAL)

    first, second = _checked(schemas, 0), _checked(schemas, 0)

    assert first == second
    assert first["majors"][0]["generatedEvents"] > 500


def test_an_allowed_change_is_published_as_it_is_and_only_once(tmp_path):
    """The folder holds the very files; a further run finds nothing new."""
    schemas = changed(tmp_path, OPTIONAL)

    first, second = _meq("publish", "--schemas", schemas), _meq("publish", "--schemas", schemas)

    published = schemas / "published" / "1.1.0"
    assert (first.exit_code, first.stdout) == (0, f"Published {published}.\n")
    assert (second.exit_code, second.stdout) == (0, "Nothing new to publish.\n")
    assert {path.name: path.read_bytes() for path in published.iterdir()} == {
        path.name: path.read_bytes() for path in (schemas / "v1").glob("*.json")
    }
    assert sorted(path.name for path in (schemas / "published").iterdir()) == ["1.0.0", "1.1.0"]
    assert _checked(schemas, 0)["majors"][0]["kind"] == "none"


@pytest.mark.parametrize(
    "change", [BREAKING, {**OPTIONAL, "version": "1.0.0"}], ids=["a breaking change", "VERSION not raised"]
)
def test_what_the_check_finds_something_of_is_not_published(tmp_path, change):
    """The findings are told, and nothing is written."""
    schemas = changed(tmp_path, change)

    result = _meq("publish", "--schemas", schemas, "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout) == {**_checked(schemas, 1), "published": []}
    assert [path.name for path in (schemas / "published").iterdir()] == ["1.0.0"]


def test_a_published_file_that_was_changed_is_noticed(tmp_path):
    """The version published last is held against what it was made of."""
    schemas = changed(tmp_path, UNCHANGED)
    edit(schemas / "published" / "1.0.0", {**CHEAPER, "path": f"{PRICE}/description", "value": "Euros."})

    (major,) = _checked(schemas, 1)["majors"]

    assert "raise VERSION to 1.0.1" in major["problems"][0]
    assert "published/1.0.0 was" in major["problems"][1]


def test_a_breaking_change_is_allowed_in_a_new_major_version(tmp_path):
    """Nothing of it was published before; the first major version stays as it was, and both are judged."""
    schemas = changed(tmp_path, UNCHANGED)
    edit(another_major(schemas), CHEAPER)

    found = _checked(schemas, 0)
    result = _meq("publish", "--schemas", schemas)

    assert [(one["major"], one["kind"], one["against"]) for one in found["majors"]] == [
        (1, "none", ["1.0.0"]),
        (2, "new", []),
    ]
    assert result.stdout == f"Published {schemas}/published/2.0.0.\n"
    assert _checked(schemas, 0)["majors"][1]["kind"] == "none"


def test_a_new_major_version_that_kept_the_old_ids_is_refused(tmp_path):
    """Whoever follows an $id would come to the schemas of the first one."""
    schemas = changed(tmp_path, UNCHANGED)
    shutil.copytree(schemas / "v1", schemas / "v2")
    (schemas / "v2" / "VERSION").write_text("2.0.0\n")

    problems = _checked(schemas, 1)["majors"][1]["problems"]

    assert len(problems) == len(list((schemas / "v2").glob("*.json")))
    assert "v2/AddressUpdateEvent.json has an $id without /v2/" in problems[0]


def _recursive(schemas: Path) -> None:
    value = {"type": "object", "properties": {"inner": {"$ref": "#/$defs/address"}}}
    edit(schemas / "v1", {"file": "shared.json", "op": "replace", "path": "/$defs/address", "value": value})


def _dangling(schemas: Path) -> None:
    edit(schemas / "v1", {"file": "shared.json", "op": "remove", "path": "/$defs/mark"})


def _not_json(schemas: Path) -> None:
    (schemas / "v1" / "shared.json").write_text("{")


def _no_schema(schemas: Path) -> None:
    edit(schemas / "v1", {**CHEAPER, "value": "much"})


def _strange_folder(schemas: Path) -> None:
    (schemas / "published" / "latest").mkdir()


def _no_major(schemas: Path) -> None:
    shutil.rmtree(schemas / "v1")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_recursive, "refers to itself"),
        (_dangling, "shared.json#/$defs/mark, which is not there"),
        (_not_json, "v1/shared.json cannot be read as JSON"),
        (_no_schema, "is no schema of 2020-12"),
        (_strange_folder, "published/latest is no folder of a published version"),
        (_no_major, "has no folder of a major version"),
    ],
)
def test_what_cannot_be_compared_is_told_in_a_line(tmp_path, spoil, told):
    """It could not be done, which is exit code 2; no traceback, and no verdict."""
    schemas = changed(tmp_path, UNCHANGED)
    spoil(schemas)

    result = _meq("check", "--schemas", schemas)

    assert result.exit_code == 2
    assert told in result.output
    assert result.output.startswith("Error: ")
    assert len(result.output.splitlines()) == 1


def test_without_hypothesis_the_check_says_how_to_get_it():
    """It is no traceback, and the other commands of meq do without."""
    without = "import sys; sys.modules['hypothesis'] = None; from meq.__main__ import main; main()"

    result = subprocess.run(
        [sys.executable, "-c", without, "contract", "check"], capture_output=True, text=True, check=False, cwd=ROOT
    )

    assert result.returncode == 2
    assert result.stderr == "Error: hypothesis is not installed: pip install '.[contract]'\n"


@pytest.mark.parametrize(
    ("edits", "problem"),
    [
        ([{"file": "ForgottenNotice.json", "op": "remove", "path": ""}], "ForgottenNotice.json missing"),
        (
            [{"file": "LockEvent.json", "op": "replace", "path": "/$ref", "value": "shared.json#/$defs/mark"}],
            "",
        ),
    ],
)
def test_a_major_that_the_validator_would_not_load_is_refused(tmp_path, edits, problem):
    """Also a new one, which is held against nothing that was published."""
    folder = changed(tmp_path / "schemas", {"edits": [], "version": "1.0.0"})
    edit(another_major(folder), *edits)

    result = CliRunner().invoke(commands, ["contract", "check", "--schemas", str(folder)])

    assert result.exit_code == (1 if problem else 0)
    assert problem in result.output


def test_a_third_major_is_refused(tmp_path):
    """The functions would not start with it."""
    folder = changed(tmp_path / "schemas", {"edits": [], "version": "1.0.0"})
    another_major(folder)
    shutil.copytree(folder / "v2", folder / "v3")

    result = CliRunner().invoke(commands, ["contract", "publish", "--schemas", str(folder)])

    assert result.exit_code == 2
    assert "3 major versions, and 2 can be deployed together" in result.output


def test_a_lost_folder_of_published_versions_is_noticed(tmp_path):
    """A major version that is not at its beginning was published before."""
    folder = changed(tmp_path / "schemas", {"edits": [], "version": "1.1.0"})
    shutil.rmtree(folder / "published")

    result = CliRunner().invoke(commands, ["contract", "check", "--schemas", str(folder)])

    assert result.exit_code == 1
    assert "if it was lost" in result.output
