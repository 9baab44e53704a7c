"""Installs what the commands need into .venv; needs nothing but Python 3.11 and a package index.

Standard library only: it runs before anything is installed. Two runs at once wait for one another.
"""

import fcntl
import hashlib
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROJECT = ROOT / "pyproject.toml"
LOCK = ROOT / "requirements-dev.txt"
TARGET = ROOT / ".venv"


def main() -> None:
    """Make .venv hold exactly the locked packages."""
    if sys.version_info < (3, 11):
        sys.exit(f"Python 3.11 or later is needed, this is {sys.version.split()[0]}: try make PYTHON=python3.13 …")
    wanted = hashlib.sha256(LOCK.read_bytes() + PROJECT.read_bytes() + sys.version.encode()).hexdigest()
    stamp = TARGET / "installed"
    TARGET.mkdir(exist_ok=True)
    with (TARGET / "lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        print("Installing the locked packages into .venv (once) …", flush=True)
        venv.create(TARGET, with_pip=True)
        python = str(TARGET / "bin" / "python")
        _run(python, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--requirement", str(LOCK))
        _run(python, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", ".")
        stamp.write_text(wanted)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, cwd=ROOT)


if __name__ == "__main__":
    main()
