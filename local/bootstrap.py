"""Installs what the commands need into .venv; needs nothing but Python 3.11 and a package index.

Standard library only: it runs before anything is installed. Two runs at once wait for one another, and what was
broken off is begun anew: the stamp that tells of a whole installation is the first to go and the last to come.
"""

import ast
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "pyproject.toml"
LOCK = ROOT / "requirements-dev.txt"
FUNCTIONS = ROOT / "functions" / "requirements.txt"
TARGET = ROOT / ".venv"
PYTHON = TARGET / "bin" / "python"
STAMP = TARGET / "installed"
GUARD = TARGET / "lock"
LOG = TARGET / "install.log"
WHEELS = TARGET / "wheels"
CACHE = TARGET / "cache"

# The template's default is arm64; the names are those that Lambda's Python 3.13 takes.
_ARM64 = [part for glibc in ("17", "28", "34") for part in ("--platform", f"manylinux_2_{glibc}_aarch64")]
# What would have pip or Python look elsewhere than into .venv.
_ASTRAY = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV")
_MOVES = ("Resolved ", "Downloading ", "Prepared ", "Installing ", "Installed ")
_SECONDS_BETWEEN_LINES = 2
_WIDTH = 70
_REASONS = (
    (r"No space left on device", "the disk is full: make room, then run it again"),
    (r"THESE PACKAGES DO NOT MATCH THE HASHES|Hash mismatch", "the index gave a package other than the locked one"),
    (
        r"ConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|Connection refused|Failed to fetch"
        r"|Could not fetch URL|NewConnectionError|dns error|Cannot connect to proxy",
        "the package index cannot be reached: see HTTPS_PROXY, PIP_INDEX_URL and PIP_CERT, then run it again",
    ),
)


class InstallationError(Exception):
    """The installation cannot go on; says what is wrong and what to do, in one line."""


def main() -> None:
    """Make .venv hold exactly the locked packages; say in one line what is in the way."""
    try:
        install()
    except InstallationError as error:
        sys.exit(f"make install: {error}")
    except OSError as error:
        sys.exit(f"make install: {error.strerror or error}: {error.filename or TARGET}")
    except KeyboardInterrupt:
        sys.exit("\nmake install: broken off; the next run begins anew")


def install() -> None:
    """Install, unless all is there.

    Raises:
        InstallationError: this machine lacks something, or a step failed.
    """
    wanted = fingerprint()
    if is_installed(wanted):
        return
    check_python()
    import fcntl  # noqa: PLC0415 (there is none on Windows, where the check above ends it)

    TARGET.mkdir(exist_ok=True)
    with GUARD.open("w") as guard:
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another installation is under way here; waiting for it to end …", flush=True)
            fcntl.flock(guard, fcntl.LOCK_EX)
        if not is_installed(wanted):
            started = time.monotonic()
            _install(guard.fileno())
            STAMP.write_text(wanted, "utf-8")
            print(f"Installed in {time.monotonic() - started:.0f} s.", flush=True)


def fingerprint() -> str:
    """Return what tells one installation from another: the locks, the project, this Python, and where .venv is."""
    locked = [path.read_bytes() for path in (LOCK, FUNCTIONS, PROJECT)]
    return hashlib.sha256(b"\0".join([*locked, sys.version.encode(), str(TARGET).encode()])).hexdigest()


def is_installed(wanted: str) -> bool:
    """Tell whether a whole installation of this fingerprint is there, and its Python still is, too."""
    return STAMP.is_file() and STAMP.read_text("utf-8") == wanted and PYTHON.exists()


def check_python() -> None:
    """Check that this Python can do it.

    Raises:
        InstallationError: says what is missing, and where to get it.
    """
    version = platform.python_version()
    if sys.platform == "win32":
        raise InstallationError("on Windows make runs in WSL, and so does sam build")
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            package = f"python{version.rpartition('.')[0]}-venv"
            raise InstallationError(
                f"this Python {version} has no {module}: install {package} (Debian, Ubuntu), or try make PYTHON=…"
            )


def _install(guard: int) -> None:
    import venv  # noqa: PLC0415 (Debian may have none, which is checked first)

    STAMP.unlink(missing_ok=True)
    for old in TARGET.iterdir():
        if old != GUARD:
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
    steps = Steps(guard, environment_of_tools(os.environ))

    steps.tell(f"virtual environment of Python {platform.python_version()}")
    venv.EnvBuilder(symlinks=True).create(TARGET)
    steps.run(str(PYTHON), "-m", "ensurepip", "--upgrade", "--default-pip")
    _install_packages(steps)
    steps.tell("packages of the functions, for sam build")
    pip = [str(PYTHON), "-m", "pip"]
    fetch = [*pip, "download", "--no-deps", "--require-hashes", "--only-binary=:all:", "--requirement", str(FUNCTIONS)]
    with ThreadPoolExecutor() as pool:
        fetching = [pool.submit(steps.run, *fetch, "--dest", str(WHEELS), *options) for options in ([], _ARM64)]
        for one in fetching:
            one.result()
    shutil.rmtree(CACHE, ignore_errors=True)
    steps.done()


def _install_packages(steps: "Steps") -> None:
    """Install by uv, which takes seconds; where it cannot be had or does not get through, by pip."""
    locked = ["--require-hashes", "--no-deps", "--requirement", str(LOCK)]
    project = ["--no-deps", "--no-build-isolation", "--editable", "."]
    pip = [str(PYTHON), "-m", "pip", "install", "--no-color", "--progress-bar", "off"]
    packages = len(names(LOCK.read_text("utf-8")))
    steps.tell(f"{packages} locked packages")
    try:
        uv = [shutil.which("uv") or _uv_of_the_lock(steps, pip), "pip", "install", "--python", str(PYTHON)]
        steps.run(*uv, *locked, more=index_of_pip(steps.output(str(PYTHON), "-m", "pip", "config", "list")))
        steps.run(*uv, *project)
    except InstallationError:
        steps.tell("uv did not do it; by pip, which takes longer")
        steps.run(*pip, *locked, packages=packages)
        steps.run(*pip, *project)


def _uv_of_the_lock(steps: "Steps", pip: list[str]) -> str:
    requirement = TARGET / "uv.txt"
    requirement.write_text(requirement_of("uv", LOCK.read_text("utf-8")), "utf-8")
    steps.run(*pip, "--require-hashes", "--no-deps", "--requirement", str(requirement))
    return str(PYTHON.with_name("uv"))


def names(lock: str) -> list[str]:
    """Return the names of the packages of a lock."""
    return re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)


def requirement_of(name: str, lock: str) -> str:
    """Return what a lock says of one package, hashes and all."""
    return "".join(re.findall(rf"^{re.escape(name)}==(?:.*\\\n)*.*\n", lock, re.MULTILINE))


def environment_of_tools(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of pip and uv: the user's proxies and indexes, but no way around .venv.

    Where the user has no home that can be written to, what they keep for next time goes into .venv.
    """
    kept = {name: value for name, value in inherited.items() if name not in _ASTRAY}
    home = Path(inherited.get("HOME", "/nonexistent"))
    if not os.access(home, os.W_OK):
        kept = {"PIP_CACHE_DIR": str(CACHE), "UV_CACHE_DIR": str(CACHE)} | kept
        kept["HOME"] = str(home if home.is_dir() else TARGET)
    return kept


def index_of_pip(settings: str) -> dict[str, str]:
    """Return as uv's settings what `pip config list` says of the index, for an office has it there."""
    found: dict[str, str] = {}
    for section in ("global", "install", ":env:"):
        for name, value in re.findall(rf"^{section}\.(index-url|cert|trusted-host)=(.+)$", settings, re.MULTILINE):
            found[name] = " ".join(ast.literal_eval(value).split())  # several stand on lines of their own
    uv = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE", "trusted-host": "UV_INSECURE_HOST"}
    return {uv[name]: value for name, value in found.items()}


def move(line: str, found: int, packages: int) -> str:
    """Tell from a line of pip or uv how far it is; nothing where the line does not say."""
    if line.startswith("Collecting ") and packages:
        return f"{found} of {packages}: {line.split()[1]}"
    return line.strip()[:_WIDTH] if line.startswith(_MOVES) else ""


def reason(output: str) -> str:
    """Return in one line why a step failed: what it means if that is known, else what the tool said last."""
    for pattern, meaning in _REASONS:
        if re.search(pattern, output):
            return meaning
    said = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in said if line.lower().startswith("error")]
    return (errors or said or ["it said nothing"])[-1]


class Steps:
    """Runs the tools, shows that they move, and keeps what they print."""

    def __init__(self, guard: int, environment: dict[str, str]) -> None:
        self._guard = guard  # tools hold it, too: what outlives a killed installation must end before the next begins
        self._environment = environment
        self._terminal = sys.stdout.isatty()
        self._shown = 0.0
        print("Installing into .venv, once:", flush=True)

    def tell(self, step: str) -> None:
        """Say what is done next."""
        self.done()
        self._shown = 0.0
        print(f"  {step}", flush=True)

    def done(self) -> None:
        """Leave no half of a line on the terminal."""
        if self._terminal:
            print("\r\033[K", end="", flush=True)

    def run(self, *command: str, packages: int = 0, more: Mapping[str, str] | None = None) -> None:
        """Run a tool that installs so many packages; show how far it is.

        Raises:
            InstallationError: it failed; says why.
        """
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**(more or {}), **self._environment},  # what the user told uv itself comes before what pip was told
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            pass_fds=[self._guard],
        )
        output: list[str] = []
        found = 0
        with process:
            for line in process.stdout or ():
                output.append(line)
                found += line.startswith("Collecting ")
                if told := move(line, found, packages):
                    self._show(told)
        with LOG.open("a", encoding="utf-8") as log:
            log.writelines(output)
        if process.returncode:
            raise InstallationError(f"{reason(''.join(output))} (all that was printed: {LOG})")

    def output(self, *command: str) -> str:
        """Return what a tool prints, nothing if it fails."""
        return subprocess.run(
            command, env=self._environment, cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout

    def _show(self, move: str) -> None:
        if self._terminal:
            print(f"\r\033[K    {move}", end="", flush=True)
        elif time.monotonic() - self._shown >= _SECONDS_BETWEEN_LINES:
            self._shown = time.monotonic()
            print(f"    {move}", flush=True)


if __name__ == "__main__":
    main()
