"""What the installation decides: when it is whole, by which tool it installs, what it says of a failure."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local import bootstrap
from local.bootstrap import InstallationError
from local.stack import ROOT

LOCK = r"""uv==0.13.9 \
    --hash=sha256:aa \
    --hash=sha256:bb
uvicorn==1.0 \
    --hash=sha256:cc
attrs==2.0 ; python_version >= '3'
"""


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder in the place of .venv, with a Python of its own and a lock."""
    target, lock = tmp_path / ".venv", tmp_path / "lock.txt"
    (target / "bin").mkdir(parents=True)
    lock.write_text(LOCK)
    for name, path in {
        "TARGET": target,
        "LOCK": lock,
        "PYTHON": target / "bin" / "python",
        "STAMP": target / "installed",
        "GUARD": target / "lock",
        "CACHE": target / "cache",
        "LOG": target / "install.log",
    }.items():
        monkeypatch.setattr(bootstrap, name, path)
    bootstrap.PYTHON.touch()
    return target


class FakeSteps:
    """Writes down what would be run; what `failing` finds in a command fails."""

    def __init__(self, failing: str = "no such command") -> None:
        self.commands: list[str] = []
        self._failing = failing

    def tell(self, step: str) -> None:
        """Say nothing."""

    def run(self, *command: str, **options: object) -> None:
        """Write down a command."""
        self.commands.append(" ".join(command))
        if self._failing in self.commands[-1]:
            raise InstallationError("ordered")

    def output(self, *command: str) -> str:
        """Answer as `pip config list` does where nothing is set."""
        return ""


def installed_by(monkeypatch: pytest.MonkeyPatch, uv: str | None, failing: str = "no such command") -> list[str]:
    """Install the packages, with uv on the PATH or not; return by which programs what was installed."""
    steps = FakeSteps(failing)
    monkeypatch.setattr(shutil, "which", lambda _: uv)
    bootstrap._install_packages(steps)  # type: ignore[arg-type]
    return [f"{Path(command.split()[0]).name} {command.split()[-1].rpartition('/')[2]}" for command in steps.commands]


def test_a_uv_that_is_there_installs_all(monkeypatch: pytest.MonkeyPatch, target: Path):
    """The lock, then the project."""
    assert installed_by(monkeypatch, "/usr/bin/uv") == ["uv lock.txt", "uv ."]


def test_uv_is_first_had_from_the_lock(monkeypatch: pytest.MonkeyPatch, target: Path):
    """Pip installs that one package, with its hashes, and uv the rest."""
    assert installed_by(monkeypatch, None) == ["python uv.txt", "uv lock.txt", "uv ."]
    assert (target / "uv.txt").read_text() == "uv==0.13.9 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"


@pytest.mark.parametrize(
    ("failing", "tried"), [("uv.txt", ["python uv.txt"]), ("uv pip", ["python uv.txt", "uv lock.txt"])]
)
def test_pip_does_it_where_uv_does_not(monkeypatch: pytest.MonkeyPatch, target: Path, failing: str, tried: list[str]):
    """Where there is no uv for this machine, or it does not get through to the index."""
    assert installed_by(monkeypatch, None, failing) == [*tried, "python lock.txt", "python ."]


def test_every_package_is_held_to_its_hash(monkeypatch: pytest.MonkeyPatch, target: Path):
    """No way of installing the lock or uv goes without hashes."""
    for failing in ("no such command", "uv pip"):
        steps = FakeSteps(failing)
        monkeypatch.setattr(shutil, "which", lambda _: None)
        bootstrap._install_packages(steps)  # type: ignore[arg-type]
        of_locks = [command for command in steps.commands if command.endswith(".txt")]
        assert len(of_locks) >= 2
        assert [command for command in of_locks if "--require-hashes" not in command] == []


def test_an_installation_is_whole_with_its_stamp_and_its_python(target: Path):
    """Broken off, of another lock, or without its interpreter, it is made anew."""
    wanted = bootstrap.fingerprint()
    assert not bootstrap.is_installed(wanted)
    bootstrap.STAMP.write_text(wanted)
    assert bootstrap.is_installed(wanted)
    bootstrap.LOCK.write_text(f"{LOCK}more==1\n")
    assert not bootstrap.is_installed(bootstrap.fingerprint())
    bootstrap.PYTHON.unlink()
    bootstrap.PYTHON.symlink_to("/gone/python")
    assert not bootstrap.is_installed(wanted)


def test_a_clone_that_was_moved_installs_anew(target: Path, monkeypatch: pytest.MonkeyPatch):
    """The programs of a virtual environment name the folder that it was made in."""
    before = bootstrap.fingerprint()
    monkeypatch.setattr(bootstrap, "TARGET", target.with_name("moved"))
    assert bootstrap.fingerprint() != before


def test_what_an_installation_was_broken_off_with_goes_first(target: Path, monkeypatch: pytest.MonkeyPatch):
    """When a step fails there is no stamp, and nothing of before is left but the guard."""
    for name in ("installed", "lock", "rest"):
        (target / name).touch()
    (target / "lib").mkdir()
    monkeypatch.setattr(bootstrap.Steps, "run", lambda *_, **__: (_ for _ in ()).throw(InstallationError("ordered")))
    with (target / "lock").open() as guard, pytest.raises(InstallationError):
        bootstrap._install(guard.fileno())
    assert not (target / "installed").exists()
    assert not (target / "rest").exists()
    assert (target / "lock").exists()


@pytest.mark.parametrize("missing", ["venv", "ensurepip"])
def test_it_says_what_a_python_lacks(monkeypatch: pytest.MonkeyPatch, missing: str):
    """Debian's Python without its package of virtual environments: which one to install."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else find_spec(name))
    with pytest.raises(InstallationError, match=rf"no {missing}: install python3\.\d+-venv \(Debian"):
        bootstrap.check_python()


def test_it_says_that_windows_means_wsl(monkeypatch: pytest.MonkeyPatch):
    """Before anything that Windows does not have is imported."""
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(InstallationError, match="WSL"):
        bootstrap.check_python()


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("WARNING: Retrying\nProxyError('Cannot connect to proxy.')\nERROR: No matching distribution", "HTTPS_PROXY"),
        ("error: Failed to fetch: `https://index.example`\n  Caused by: Connection refused", "HTTPS_PROXY"),
        ("ERROR: Could not install packages: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "other than the locked one"),
        ("some words\nERROR: a new one\n  of two lines", "ERROR: a new one"),
        ("", "it said nothing"),
    ],
)
def test_a_failure_is_told_in_one_line(output: str, told: str):
    """What it means and what to do, or what the tool said."""
    reason = bootstrap.reason(output)
    assert told in reason
    assert "\n" not in reason


def test_errors_of_the_system_are_told_in_one_line(monkeypatch: pytest.MonkeyPatch):
    """A folder that cannot be written to ends in its name, not in a traceback."""

    def refuse() -> None:
        raise PermissionError(13, "Permission denied", "/there")

    monkeypatch.setattr(bootstrap, "install", refuse)
    with pytest.raises(SystemExit, match=r"^make install: Permission denied: /there$"):
        bootstrap.main()


def test_a_failing_tool_names_its_reason_and_the_log(target: Path):
    """All that it printed is kept; the error is one line."""
    steps = bootstrap.Steps(0, {})
    log = re.escape(str(bootstrap.LOG))
    with pytest.raises(InstallationError, match=rf"^ERROR: no \(all that was printed: {log}\)$"):
        steps.run("/bin/sh", "-c", "echo Collecting a; echo ERROR: no; exit 1")
    assert bootstrap.LOG.read_text() == "Collecting a\nERROR: no\n"


def test_it_shows_that_it_moves(capsys: pytest.CaptureFixture[str], target: Path, monkeypatch: pytest.MonkeyPatch):
    """Where it is no terminal, a line at a time with how many of how many."""
    monkeypatch.setattr(bootstrap, "_SECONDS_BETWEEN_LINES", 0)
    lines = "Collecting a==1 (from -r x)\n  Using cached a\nCollecting b==2\nDownloading c (9.4MiB)\n"
    bootstrap.Steps(0, {}).run("/bin/echo", lines, packages=2)
    assert capsys.readouterr().out.splitlines()[1:] == [
        "    1 of 2: a==1",
        "    2 of 2: b==2",
        "    Downloading c (9.4MiB)",
    ]


def test_tools_keep_the_way_to_the_index_and_nothing_that_leads_past_the_environment(tmp_path: Path):
    """Proxies and indexes stay; what would install elsewhere goes."""
    given = {"HOME": str(tmp_path), "HTTPS_PROXY": "p", "PIP_INDEX_URL": "i", "PIP_USER": "1", "PYTHONPATH": "/x"}
    assert bootstrap.environment_of_tools(given) == {"HOME": str(tmp_path), "HTTPS_PROXY": "p", "PIP_INDEX_URL": "i"}


@pytest.mark.parametrize("home", [{}, {"HOME": "/nonexistent"}])
def test_tools_have_a_home_where_the_user_has_none(target: Path, home: dict[str, str]):
    """Caches go into .venv, unless the user has said where they are to be."""
    got = bootstrap.environment_of_tools({"UV_CACHE_DIR": "/mine"} | home)
    assert got == {"HOME": str(target), "PIP_CACHE_DIR": str(target / "cache"), "UV_CACHE_DIR": "/mine"}


def test_uv_goes_to_the_index_that_pip_is_set_to():
    """The environment's setting comes before the files'; what is none of the index is left."""
    settings = (
        ":env:.index-url='https://env.example/simple'\nglobal.cert='/ca.pem'\nglobal.index-url='https://file.example'\n"
        "global.trusted-host='\\na.example\\nb.example'\nglobal.timeout='60'\n"
    )
    assert bootstrap.index_of_pip(settings) == {
        "UV_DEFAULT_INDEX": "https://env.example/simple",
        "SSL_CERT_FILE": "/ca.pem",
        "UV_INSECURE_HOST": "a.example b.example",
    }
    assert bootstrap.index_of_pip("") == {}


def test_the_real_lock_has_uv_and_all_names():
    """What is read from the lock is what stands in it."""
    lock = bootstrap.LOCK.read_text()
    assert bootstrap.names(lock).count("uv") == 1
    assert bootstrap.requirement_of("uv", lock).count("--hash") > 1
    assert bootstrap.names(LOCK) == ["uv", "uvicorn", "attrs"]


def test_the_repository_has_no_symbolic_links():
    """Zip archives, Windows and `core.symlinks=false` would make text files of them."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    listed = subprocess.run(["git", "ls-files", "--stage"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    assert len(listed.stdout.splitlines()) > 100
    assert [line for line in listed.stdout.splitlines() if line.startswith("120000")] == []
