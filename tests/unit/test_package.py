"""Unit tier, the package of the functions: proves what the Makefile that `sam build` runs makes of our own modules.

It is run as the SAM CLI runs it, but for the packages of others. Those, and that the CLI finds the folder of its
target, are proven where the CLI runs (e2e).
"""

import hashlib
import marshal
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from local.environment import PROGRAMS
from local.stack import ROOT, THIS_MACHINE
from tests.bytecode import without_bytecode

TARGET = "{PythonRuntime}-{Architecture}".format(**THIS_MACHINE)


def build(functions: Path, package: Path) -> Path:
    """Make the package of a function, which is named as its folder."""
    package.mkdir(parents=True)
    subprocess.run(
        [
            shutil.which("make") or "make",
            "--makefile",
            functions / "Makefile",
            f"build-{package.name}",
            f"REQUIREMENTS={os.devnull}",
        ],
        cwd=functions / "targets" / TARGET,
        env={"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}", "ARTIFACTS_DIR": str(package)},
        check=True,
    )
    return package


@pytest.fixture
def functions(tmp_path: Path) -> Path:
    """A copy of the functions, in a folder whose name has a space, and with files that are of this moment."""
    copy = tmp_path / "a checkout" / "functions"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "functions", copy, copy_function=shutil.copyfile, ignore=ignored)
    return copy


def _contents(package: Path) -> dict[str, str]:
    files = [path for path in package.rglob("*") if path.is_file()]
    return {str(path.relative_to(package)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_every_module_comes_with_its_bytecode(functions: Path, tmp_path: Path):
    """Nothing is compiled on Lambda, nor are sources looked at; a traceback names files as they lie there."""
    package = build(functions, tmp_path / "built" / "ConverterFunction")

    assert without_bytecode(package) == []
    (compiled,) = (package / "mark_event_queue" / "converter" / "__pycache__").glob("handler.*.pyc")
    code = marshal.loads(compiled.read_bytes()[16:])  # noqa: S302 (made a moment ago)
    assert code.co_filename == "/var/task/mark_event_queue/converter/handler.py"


def test_what_did_not_change_is_not_deployed_anew(functions: Path, tmp_path: Path):
    """The same sources give the same bytes, wherever and whenever they are built, for whichever function."""
    here = build(ROOT / "functions", tmp_path / "one" / "ConverterFunction")
    there = build(functions, tmp_path / "other" / "ValidatorFunction")

    assert len(_contents(here)) > 100
    assert _contents(here) == _contents(there)


def test_no_function_takes_what_an_older_build_left(functions: Path, tmp_path: Path):
    """The functions of one build share its package; a change in between gives the later one another."""
    older = build(functions, tmp_path / "built" / "ConverterFunction")
    same = build(functions, tmp_path / "built" / "ValidatorFunction")
    (functions / "mark_event_queue" / "converter" / "handler.py").write_text("print('changed')\n", "utf-8")
    newer = build(functions, tmp_path / "built" / "GateFunction")

    assert _contents(older) == _contents(same)
    changed = dict(_contents(newer).items() - _contents(older).items())
    assert {name.partition(".")[0] for name in changed} == {
        "mark_event_queue/converter/handler",
        "mark_event_queue/converter/__pycache__/handler",
    }


def test_a_module_that_does_not_compile_ends_the_build(functions: Path, tmp_path: Path):
    """Whoever deploys learns of it before Lambda does."""
    (functions / "mark_event_queue" / "converter" / "handler.py").write_text("def", "utf-8")

    with pytest.raises(subprocess.CalledProcessError):
        build(functions, tmp_path / "built" / "ConverterFunction")
    assert not list((tmp_path / "built" / "ConverterFunction").iterdir())
