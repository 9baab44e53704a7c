"""What a local build packs: for Lambda where this machine can run that, else nothing."""

import os
import platform
import time
from pathlib import Path

import pytest

from local import stack
from local.stack import ROOT


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What the SAM CLI is told when the functions are built."""
    told: list[str] = []
    monkeypatch.setattr(stack, "WHEELS", tmp_path)
    monkeypatch.setattr(
        stack,
        "_sam",
        lambda variables, *arguments, folder: told.extend((*arguments, variables.get("MAKEFLAGS", ""))),
    )
    return told


@pytest.mark.parametrize(("libc", "packs"), [("glibc", True), ("musl", False), ("", False)])
def test_packages_are_built_where_they_run(
    built: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, libc: str, packs: bool
):
    """Without glibc (macOS, Alpine) the functions find everything in the installation."""
    monkeypatch.setattr(platform, "libc_ver", lambda: (libc, ""))
    monkeypatch.setitem(stack.THIS_MACHINE, "Architecture", "x86_64")
    stack.build(tmp_path / "built")
    assert built[-1] == ("" if packs else "REQUIREMENTS=/dev/null")


def test_a_build_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Without the packages that the installation leaves, it names the command that brings them."""
    monkeypatch.setattr(stack, "WHEELS", tmp_path / "none")
    with pytest.raises(stack.DeploymentError, match="make install"):
        stack.build(tmp_path / "built")


def test_the_installation_has_the_versions_of_the_functions():
    """Every package that is locked for the functions is locked at the same version for the commands."""
    of_functions, of_commands = (
        {line.split()[0] for line in (ROOT / name).read_text().splitlines() if "==" in line}
        for name in ("functions/requirements.txt", "requirements-dev.txt")
    )
    assert of_functions
    assert of_functions <= of_commands


@pytest.fixture
def checkout(built: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A checkout with a template and one file of code."""
    monkeypatch.setattr(stack, "ROOT", tmp_path)
    monkeypatch.setattr(stack, "WHEELS", tmp_path / "functions")
    for name in ("functions/code.py", "template.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("before")
    return tmp_path


def test_a_checkout_is_built_once_and_anew_after_a_change(built: list[str], checkout: Path):
    """Whoever runs a second stack need not wait; whoever changes a file gets what the file says now."""
    first, second = stack.built(), stack.built()
    (checkout / "functions" / "code.py").write_text("after!")
    third = stack.built()

    assert first == second != third
    assert built.count("build") == 2


def test_what_nobody_has_used_for_a_day_is_deleted_with_the_next_build(checkout: Path):
    """A build that is old, but in use, stays; so does whatever else lies beside it."""
    builds = checkout / "build"
    in_use = stack.built().parents[1]
    others = [builds / name for name in ("sam-unused", ".sam-half-built", "sam-of-today", "ajv-of-others")]
    for folder in others:
        (folder / "built").mkdir(parents=True)
    two_days_ago = time.time() - 2 * 24 * 60 * 60
    for folder in (in_use, *others):
        if folder.name != "sam-of-today":
            os.utime(folder, (two_days_ago, two_days_ago))

    assert stack.built().parents[1] == in_use
    assert all(folder.is_dir() for folder in others)
    (checkout / "functions" / "code.py").write_text("after!")
    anew = stack.built().parents[1]

    assert set(builds.iterdir()) == {in_use, anew, builds / "sam-of-today", builds / "ajv-of-others"}
