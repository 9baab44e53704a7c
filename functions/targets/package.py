"""Makes the package of a function: its code, what that needs, and the bytecode of both.

The Makefile beside this folder runs it, by a Python of the runtime's version, in the folder of a target: its name says
the runtime and the processor, its file which wheels can run there. All functions have one package: the first of a
build makes it, the others take it.
"""

import compileall
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from py_compile import PycInvalidationMode

_FUNCTIONS = Path(__file__).resolve().parent.parent
_SOURCES = sorted(_FUNCTIONS.glob("mark_event_queue/**/*.py"))
_WHEELS = Path("wheels.txt")
_ON_LAMBDA = "/var/task"


def main(requirements: Path, target: Path) -> None:
    """Fill the folder `target`, which is beside those of the other functions."""
    made = target.parent / f".{Path.cwd().name}-{_fingerprint(requirements)}"
    with (target.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the SAM CLI may build all functions at once
        if not made.is_dir():
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as folder:
                package = Path(folder) / "package"
                _make(package, requirements)
                package.rename(made)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(made, target, copy_function=_link, dirs_exist_ok=True)


def _fingerprint(requirements: Path) -> str:
    """Return what differs whenever the package would: a folder that the SAM CLI did not empty may hold an older one."""
    names = [str(source.relative_to(_FUNCTIONS)) for source in _SOURCES]
    digest = hashlib.sha256(repr((sys.version, names)).encode())
    for path in (requirements, _WHEELS, *_SOURCES):
        digest.update(f" {path.stat().st_size} ".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _make(package: Path, requirements: Path) -> None:
    package.mkdir()
    if requirements.read_bytes():
        _install(requirements, package)
    for source in _SOURCES:
        copy = package / source.relative_to(_FUNCTIONS)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
    # Unchecked: neither the times of files in an archive nor the sources are looked at when a function starts.
    # The paths are Lambda's, so that tracebacks are, and a build gives the same bytes wherever it runs.
    compiled = compileall.compile_dir(
        package,
        quiet=1,
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        stripdir=str(package),
        prependdir=_ON_LAMBDA,
    )
    if not compiled:
        sys.exit("not everything in the package could be compiled")


def _install(requirements: Path, package: Path) -> None:
    wheels = _WHEELS.read_text("utf-8").split()
    pip = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--requirement", requirements, "--require-hashes", "--no-deps", "--no-compile", "--target", package),
            *("--only-binary=:all:", *(f"--platform={name}" for name in wheels)),
        ],
        # What many a machine has set, and --target does without.
        env=os.environ | {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"},
        check=False,
    )
    if pip.returncode:
        sys.exit(pip.returncode)
    shutil.rmtree(package / "bin", ignore_errors=True)  # commands for this machine, with the path of its Python


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # not every file system has links
        shutil.copy(source, target)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
