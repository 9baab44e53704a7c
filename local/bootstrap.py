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
LOCK = ROOT / "requirements-dev.txt"
TARGET = ROOT / ".venv"


def main() -> None:
    """Make .venv hold exactly the locked packages."""
    if sys.version_info < (3, 11):
        sys.exit(f"Python 3.11 or later is needed, this is {sys.version.split()[0]}: try make PYTHON=python3.13 …")
    wanted = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    stamp = TARGET / "installed"
    TARGET.mkdir(exist_ok=True)
    with (TARGET / "lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        print("Installing the locked packages into .venv (a minute or two, once) …", flush=True)
        venv.create(TARGET, with_pip=True)
        subprocess.run(
            [TARGET / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
             "--require-hashes", "--no-deps", "--requirement", LOCK],
            check=True,
        )  # fmt: skip
        stamp.write_text(wanted)


if __name__ == "__main__":
    main()
