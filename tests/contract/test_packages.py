"""Contract tier, both packages: proves that nothing is built of a major version whose examples do not hold.

Who builds is told why in one line. What is in a package that is built, the tests of each package prove.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts import npm_package, wheel
from contracts.generated import GenerationError, run
from contracts.node import Tools
from contracts.packages import demand_examples, tell
from tests.builders import ROOT
from tests.contract.two_majors import two_majors

NO_NODE = Tools("", "")
BUILDERS: dict[str, Callable[[Path, Path], Any]] = {
    "wheel": wheel.build,
    "npm": lambda into, schemas: npm_package.build(NO_NODE, into, schemas),
}


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    """Return a folder of two major versions, of which everything holds."""
    folder = two_majors(tmp_path)
    demand_examples(folder)
    return folder


def _change(path: Path, change: Callable[[Any], None]) -> None:
    value = json.loads(path.read_text("utf-8"))
    change(value)
    path.write_text(json.dumps(value), "utf-8")


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS.keys())
@pytest.mark.parametrize("missing", ["examples/v2", "counterexamples/v2", "examples/v2/LockEvent"])
def test_a_major_version_without_examples_is_refused(schemas: Path, build: Any, missing: str, capsys: Any):
    """One line says what is missing and how to begin; what was built before stays."""
    shutil.rmtree(schemas / missing)
    dist = schemas.parent / "dist"
    dist.mkdir()
    older = [dist / "mark_event_contracts-0.9.0-py3-none-any.whl", dist / "mark-event-contracts-0.9.0.tgz"]
    for path in older:
        path.touch()

    with pytest.raises(SystemExit) as ended:
        tell(lambda: build(dist, schemas))

    assert ended.value.code == (
        f"schemas/{missing} is not there, or empty, and the packages need it: "
        f"begin with cp -r schemas/{missing.replace('v2', 'v1')} schemas/{missing}"
    )
    assert capsys.readouterr().out == ""
    assert sorted(dist.iterdir()) == sorted(older)


def test_a_folder_that_is_there_is_not_copied_over(schemas: Path):
    """`cp -r` would put another one into it."""
    for path in (schemas / "examples" / "v2" / "LockEvent").iterdir():
        path.unlink()

    with pytest.raises(GenerationError, match=r"^schemas/examples/v2/LockEvent is not there, or empty, .*: add what"):
        demand_examples(schemas)


def test_an_example_that_is_not_valid_is_refused(schemas: Path):
    """As one is that was copied from the major version before."""
    _change(
        schemas / "examples/v2/LockEvent/locked-for-sale.json", lambda event: event["RegistrationNumber"].pop("price")
    )

    with pytest.raises(GenerationError) as refused:
        demand_examples(schemas)

    assert str(refused.value) == (
        "schemas/examples/v2/LockEvent/locked-for-sale.json is not valid in 2.0.0: "
        "/RegistrationNumber/price (required): mend it, or delete it"
    )


def test_a_counterexample_that_breaks_something_else_is_refused(schemas: Path):
    """A consumer's own validator is tried by what it says."""
    _change(schemas / "counterexamples/v2/events.json", lambda listed: listed[0].update(violations=[["/mark", "type"]]))

    with pytest.raises(
        GenerationError, match=r"^schemas/counterexamples/v2/events\.json: in 2\.0\.0 .*Status \(enum\)"
    ):
        demand_examples(schemas)


@pytest.mark.parametrize("place", ["examples/v1/LockEvent/locked-for-sale.json", "counterexamples/v1/events.json"])
def test_what_is_no_json_is_refused(schemas: Path, place: str):
    """With its place."""
    (schemas / place).write_text("{", "utf-8")

    with pytest.raises(GenerationError, match=f"^schemas/{place} is not there, or not JSON"):
        demand_examples(schemas)


def test_a_tool_that_fails_is_told_in_one_line(tmp_path: Path):
    """With what it has said."""
    with pytest.raises(SystemExit) as ended:
        tell(lambda: [Path(run([sys.executable, "-c", "import not_installed_here"], tmp_path))])

    assert "has failed: " in str(ended.value.code)
    assert "No module named 'not_installed_here'" in str(ended.value.code)
    assert "\n" not in str(ended.value.code)


def test_without_node_the_npm_package_is_left_out(tmp_path: Path):
    """That is told, and no failure: the wheel is of use without it."""
    command = [sys.executable, "-m", "contracts.npm_package"]

    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("the npm package was left out: node and npm are not on the PATH: install node 20 or later\n")
