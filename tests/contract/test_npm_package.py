"""Contract tier, npm package: proves that what is built, installed where nothing else is, has the contract in it.

It is built, installed and read by the node of this machine. What bundlers make of it, this cannot prove.
"""

import json
import re
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from contracts.node import Tools, installed
from contracts.npm_package import SOURCE, build
from mark_event_queue.domain.contract import majors_in, version_in
from tests.builders import ROOT
from tests.contract.by_node import node_tools
from tests.contract.two_majors import raise_first_major, two_majors

SCHEMAS = [*majors_in(ROOT / "schemas").values()][-1]
"""The newest major version: of its package are the tests that speak of one."""
EXAMPLES = ROOT / "schemas" / "examples" / SCHEMAS.name
COUNTEREXAMPLES = ROOT / "schemas" / "counterexamples" / SCHEMAS.name / "events.json"

README = (SOURCE / "README.md").read_text("utf-8")

CONSUMER = """
import { CONTRACT_VERSION, counterexamples, examples, notices, schemas } from "mark-event-contracts";
import lock from "mark-event-contracts/schemas/MAJOR/LockEvent.json" with { type: "json" };

const one = examples()[0];
one.event.mark = "changed";
console.log(JSON.stringify({
  CONTRACT_VERSION, schemas, lock, examples: examples(), notices: notices(), counterexamples: counterexamples(),
}));
""".replace("MAJOR", SCHEMAS.name)

JUDGE = """
import { counterexamples, examples } from "mark-event-contracts";
SNIPPET
console.log(JSON.stringify({
  allowed: examples().flatMap(({ event }) => violations(event)),
  forbidden: counterexamples().map((one) => [one.description, one.body, one.violations, violations(one.event)]),
}));
"""

TYPED = """
import { counterexamples, examples, notices, schemas } from "mark-event-contracts";
import type { LockEvent, MarkEvent, Message, Status } from "mark-event-contracts";

function locked(event: LockEvent): "LockEvent" {
  return event.eventName;
}
function marks(message: Message): string {
  return "notice" in message ? message.notice : message.RegistrationNumber.mark;
}
export function handle(event: MarkEvent): string {
  const status: Status | undefined = event.RegistrationNumber.Status;
  const price: number | null | undefined = event.RegistrationNumber.price;
  return event.eventName === "LockEvent" ? locked(event) : `${status} ${price}`;
}
console.log(examples().map((one) => handle(one.event)), notices().map((one) => marks(one.event)));
console.log(counterexamples()[0].violations[0][1], schemas["LockEvent.json"].$id);
"""

MISTAKES = {
    "a price that is taken for granted": "const price: number = event.RegistrationNumber.price;",
    "a misspelt property": "event.RegistrationNumber.status;",
    "a status that there is not": 'if (event.RegistrationNumber.Status === "SOLD") event;',
    "a type that there is not": 'if (event.eventName === "SoldEvent") event;',
}

COMPILER_OPTIONS = {"module": "nodenext", "target": "es2022", "strict": True, "noEmit": True, "types": []}


@pytest.fixture(scope="module")
def node() -> Tools:
    """The commands of node; without them these tests are skipped, in CI they fail."""
    return node_tools()


@pytest.fixture(scope="module")
def package(node: Tools, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the package of the newest major version."""
    return build(node, tmp_path_factory.mktemp("dist"))[-1]


@pytest.fixture(scope="module")
def consumer(node: Tools, package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty folder in which nothing but the package is installed, without a network."""
    return _installed(node, tmp_path_factory.mktemp("consumer"), str(package))


def _installed(node: Tools, folder: Path, *packages: str) -> Path:
    """Install packages into an empty folder, without a network."""
    (folder / "package.json").write_text('{"name": "consumer", "private": true, "type": "module"}', "utf-8")
    _run([node.npm, "install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", *packages], folder)
    return folder


@pytest.fixture(scope="module")
def published(node: Tools, consumer: Path) -> dict[str, Any]:
    """Return what a script of node sees of the package."""
    seen: dict[str, Any] = json.loads(_script(node, consumer, CONSUMER))
    return seen


def _run(command: list[str], folder: Path) -> str:
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def _script(node: Tools, folder: Path, text: str) -> str:
    path = folder / "script.mjs"
    path.write_text(text, "utf-8")
    return _run([node.node, str(path)], folder)


def _exactly(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def _rounded(text: str) -> Any:
    """Return what JavaScript reads, of which a number is the shortest text that gives the same double."""
    return json.loads(
        text, parse_float=lambda number: Decimal(repr(float(number))), parse_int=lambda number: int(float(number))
    )


def test_its_version_is_the_contracts(package, published):
    """Of the newest major version; the file's name says it, too."""
    version = version_in(SCHEMAS)

    assert package.name == f"mark-event-contracts-{version}.tgz"
    assert published["CONTRACT_VERSION"] == version


def test_it_brings_nothing_else_along(consumer):
    """No dependency, and no test or tool of its own."""
    (alone,) = [path for path in (consumer / "node_modules").iterdir() if not path.name.startswith(".")]
    manifest = json.loads((alone / "package.json").read_text("utf-8"))

    assert not [key for key in manifest if "ependencies" in key or key == "scripts"]
    assert {path.name for path in alone.iterdir()} == {
        *("LICENSE", "README.md", "package.json", "index.js", "index.d.ts", "data.js", "types.d.ts", "schemas"),
    }
    files = {str(path.relative_to(alone)) for path in (alone / "schemas").rglob("*.json")}
    assert files == {
        str(path.relative_to(ROOT))
        for folder in (SCHEMAS, EXAMPLES, COUNTEREXAMPLES.parent)
        for path in folder.rglob("*.json")
    }


@pytest.fixture(scope="module")
def of_two(node: Tools, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return the packages of two major versions."""
    folder = tmp_path_factory.mktemp("two")
    return build(node, folder / "dist", two_majors(folder))


def test_each_major_version_has_a_package_of_its_own(of_two, package):
    """With its version; that of the first is to the byte what it is without the second."""
    (first,) = [one for one in package.parent.iterdir() if one.name.startswith("mark-event-contracts-1.")]

    assert [one.name for one in of_two] == [first.name, "mark-event-contracts-2.0.0.tgz"]
    assert of_two[0].read_bytes() == first.read_bytes()


@pytest.mark.slow
def test_a_minor_version_beside_a_newer_major_changes_nothing_in_the_newer_ones_package(node, of_two, tmp_path):
    """To the byte; it has its own version, and takes the place of the one before."""
    schemas, dist = two_majors(tmp_path), tmp_path / "dist"
    raise_first_major(schemas)
    dist.mkdir()
    (dist / of_two[0].name).touch()

    first, second = build(node, dist, schemas)

    assert first.name == "mark-event-contracts-1.9.0.tgz"
    assert second.read_bytes() == of_two[1].read_bytes()
    assert sorted(dist.iterdir()) == [first, second]


def test_a_consumer_gets_every_schema(published):
    """As they are published, by file name, and as files."""
    files = {path.name: json.loads(path.read_text("utf-8")) for path in SCHEMAS.glob("*.json")}

    assert published["schemas"] == files
    assert published["lock"] == files["LockEvent.json"]


def test_a_consumer_gets_every_example_with_all_digits(published):
    """Each with its name; the text of the body is exact, and what is done to an event does not last."""
    files = {f"{path.parent.name}/{path.stem}": _exactly(path.read_text("utf-8")) for path in EXAMPLES.glob("*/*.json")}
    given = [*published["examples"], *published["notices"]]

    assert {one["name"]: _exactly(one["body"]) for one in given} == files
    assert all(one["event"] == json.loads(one["body"]) for one in given)
    assert {one["name"].partition("/")[0] for one in published["notices"]} == {"ForgottenNotice"}


def test_a_consumer_gets_every_counterexample(published):
    """With the rules that it breaks."""
    given = [
        {"description": one["description"], "violations": one["violations"], "data": _exactly(one["body"])}
        for one in published["counterexamples"]
    ]

    assert given == _exactly(COUNTEREXAMPLES.read_text("utf-8"))


@pytest.fixture(scope="module")
def equipped(node: Tools, consumer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the package and with ajv and TypeScript, as a consumer may have them, from the lock file."""
    folder = tmp_path_factory.mktemp("equipped")
    tools = installed(SOURCE, node.npm) / "node_modules"
    (folder / "node_modules").mkdir()
    for path in tools.iterdir():
        if not path.name.startswith("."):
            (folder / "node_modules" / path.name).symlink_to(path)
    name = "mark-event-contracts"
    shutil.copytree(consumer / "node_modules" / name, folder / "node_modules" / name)
    (folder / "package.json").write_text('{"name": "equipped", "private": true, "type": "module"}', "utf-8")
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": COMPILER_OPTIONS, "files": ["a.ts"]}), "utf-8")
    return folder


def test_its_validator_finds_what_the_contract_finds(node, equipped):
    """By the lines of the README, in ajv: nothing in the examples, in the others the rules that they break."""
    snippet = re.search(r"import Ajv2020.*?\}\)\);\n", README, re.DOTALL)
    assert snippet
    seen = json.loads(_script(node, equipped, JUDGE.replace("SNIPPET", snippet[0])))

    assert seen["allowed"] == []
    # JavaScript judges the number that it has read, which may not be the one that is written.
    unrounded = [case for case in seen["forbidden"] if _rounded(case[1]) == _exactly(case[1])]
    assert len(unrounded) > 0.9 * len(seen["forbidden"])
    for description, _, violations, found in unrounded:
        assert sorted(found) == sorted(violations), description


def test_the_readmes_way_to_read_a_price_has_every_digit(node, equipped):
    """Of every example: what is written in it, where JSON.parse may give another number."""
    (snippet,) = re.findall(r"import { parse } .*?(?=const price)const price = (.*?);", README, re.DOTALL)
    script = f"""
    import {{ parse }} from "lossless-json";
    import {{ examples }} from "mark-event-contracts";
    console.log(JSON.stringify(examples().map(({{ body }}) => [body, {snippet} ?? null])));
    """
    read = json.loads(_script(node, equipped, script))

    prices = [(_exactly(body)["RegistrationNumber"].get("price"), price) for body, price in read]
    assert all(price == (None if written is None else str(written)) for written, price in prices)
    assert any(price and float(price) != Decimal(price) for _, price in prices)


@pytest.mark.parametrize(
    ("handle", "is_right"), [("JSON.parse(body)", True), ("JSON.parse(body).lockTime.length", False)]
)
def test_the_readmes_test_of_a_consumer_tells_right_from_wrong(handle, is_right, node, equipped):
    """One that counts on what is optional fails it."""
    snippet = re.search(r"import assert.*?\n}\n", README, re.DOTALL)
    assert snippet
    (equipped / "my-consumer.js").write_text(f"export const handle = (body) => {handle};", "utf-8")
    (equipped / "consumer.test.js").write_text(snippet[0], "utf-8")
    run = subprocess.run([node.node, "--test", "consumer.test.js"], cwd=equipped, capture_output=True, check=False)

    assert (run.returncode == 0) is is_right, run.stdout


def _compiled(node: Tools, folder: Path, text: str) -> str:
    """Return what the compiler of TypeScript complains of."""
    (folder / "a.ts").write_text(text, "utf-8")
    command = [node.node, str(folder / "node_modules" / "typescript" / "bin" / "tsc")]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert bool(run.returncode) == bool(run.stdout), run.stderr
    return run.stdout


def test_a_typed_consumer_compiles(node, equipped):
    """Events are told apart by their names, messages by whether they are notices."""
    assert _compiled(node, equipped, TYPED) == ""


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_the_types_catch(mistake, node, equipped):
    """What the schemas do not allow a consumer to count on."""
    text = (
        f'import type {{ MarkEvent }} from "mark-event-contracts";\nexport function f(event: MarkEvent) {{ {mistake} }}'
    )

    assert re.match(r"a\.ts\(2,\d+\): error TS", _compiled(node, equipped, text))


BOTH = """
import * as first from "contracts-v1";
import * as second from "contracts-v2";

const told = ({ CONTRACT_VERSION, schemas, examples }) => ({
  version: CONTRACT_VERSION, id: schemas["LockEvent.json"].$id, examples: examples().map(({ name }) => name),
});
console.log(JSON.stringify([told(first), told(second)]));
"""

TYPED_BOTH = """
import type * as first from "contracts-v1";
import type * as second from "contracts-v2";
export const old = (event: first.LockEvent): number | null => event.RegistrationNumber.price;
export const now = (event: second.LockEvent): number | null => event.RegistrationNumber.price;
export const leased = (event: second.MarkEvent): boolean => event.RegistrationNumber.Status === "MARK_LEASED";
export const never = (event: first.MarkEvent): boolean => event.RegistrationNumber.Status === "MARK_LEASED";
"""


@pytest.mark.slow
def test_packages_of_two_major_versions_stand_beside_one_another(node, of_two, equipped, tmp_path):
    """As the README says, under names of the consumer's choice: each has its own data and types."""
    names = [f"contracts-v{place}@file:{path}" for place, path in enumerate(of_two, 1)]
    consumer = _installed(node, tmp_path, *names)

    first, second = json.loads(_script(node, consumer, BOTH))
    assert (first["version"], second["version"]) == tuple(path.stem.rpartition("-")[2] for path in of_two)
    assert ("/v1/" in first["id"], "/v2/" in second["id"]) == (True, True)
    assert "LockEvent/status-and-price-left-out" in set(first["examples"]) - set(second["examples"])

    (consumer / "node_modules" / "typescript").symlink_to((equipped / "node_modules" / "typescript").resolve())
    for path in (equipped / "node_modules").glob("@typescript"):
        (consumer / "node_modules" / "@typescript").symlink_to(path.resolve())
    shutil.copy(equipped / "tsconfig.json", consumer)
    complaints = _compiled(node, consumer, TYPED_BOTH)
    assert re.findall(r"^a\.ts\((\d+),", complaints, re.MULTILINE) == ["4", "7"]


def test_the_types_warn_of_prices(consumer):
    """Where the reader of the type is: JSON.parse does not give every digit."""
    types = (consumer / "node_modules" / "mark-event-contracts" / "types.d.ts").read_text("utf-8")

    assert re.search(r"JSON\.parse rounds it[^*]*\*/\s*price\?: number \| null;", types)
