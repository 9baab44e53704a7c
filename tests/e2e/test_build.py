"""Proves that `sam build` makes packages with bytecode, by default for arm64 and python3.13, on whatever runs it.

That the packages run on arm64 is not proven here.
"""

import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from bench.cold_start import FUNCTIONS
from local.environment import PROGRAMS
from local.stack import ROOT, build_environment, built, runs_packages_of_lambda
from tests.bytecode import without_bytecode

_AARCH64 = 183  # ELF specification, e_machine


def folder_of_python(version: str) -> Path | None:
    """The folder of a Python of this version, on the PATH or where pyenv keeps its versions."""
    found = shutil.which(f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")) / "versions"  # noqa: PTH111 (no home)
    candidates = [*pyenv.glob(f"{version}*/bin/python{version}"), *([Path(found)] if found else [])]
    works = [
        one
        for one in candidates
        if subprocess.run([one, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    ]
    return works[0].parent if works else None


def test_the_default_build_is_for_arm64_and_python_3_13(tmp_path: Path):
    """Plain `sam build` brings the compiled validator for arm64, bytecode for 3.13, and no boto3."""
    python = folder_of_python("3.13")
    if python is None:
        pytest.skip("sam build needs a python3.13 for the default runtime, and there is none here")
    environment = build_environment(tmp_path)
    sam = subprocess.run(
        [
            PROGRAMS / "sam",
            "build",
            "--template-file",
            ROOT / "template.yaml",
            "--build-dir",
            tmp_path / "built",
        ],
        cwd=tmp_path,
        env=environment | {"PATH": f"{python}{os.pathsep}{environment['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert sam.returncode == 0, sam.stderr
    package = tmp_path / "built" / "ValidatorFunction"
    (library,) = package.glob("jsonschema_rs/*.so")
    assert struct.unpack_from("<H", library.read_bytes(), 18) == (_AARCH64,)
    assert not (package / "boto3").exists()
    magic = "import importlib.util, sys; sys.stdout.buffer.write(importlib.util.MAGIC_NUMBER)"
    number = subprocess.run([python / "python3.13", "-c", magic], capture_output=True, check=True).stdout
    assert without_bytecode(package, "cpython-313", number) == []


def test_every_module_of_every_package_comes_with_its_bytecode():
    """What is deployed on this machine, dependencies included, is not compiled when a function starts."""
    packages = sorted(built().parent.glob("*Function"))
    assert len(packages) == len(FUNCTIONS)
    for package in packages:
        assert without_bytecode(package) == []
        assert (package / "mark_event_queue" / "__init__.py").is_file()
        assert (package / "aws_lambda_powertools").is_dir() == runs_packages_of_lambda()
