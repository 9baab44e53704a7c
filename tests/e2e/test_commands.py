"""Proves that two demos at once keep their word and leave a picture, and that `make up` serves a shell, and ends.

A user without an entry in the password file, and other Pythons, are not proven here: that takes other machines.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import HTTPCookieProcessor, ProxyHandler, build_opener

import pytest

from local.stack import ROOT

CLIENTS = ("original", "Insurer", "Police", "Archive")
DEAD = "http://127.0.0.1:9"


@pytest.fixture
def office(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A copy of the sources in a path with spaces; an environment with AWS settings and proxies of a user, all dead."""
    checkout, temporary = tmp_path / "a b" / "repo", tmp_path / "c d"
    temporary.mkdir()
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(".*", "build", "node_modules", "__pycache__"))
    config = tmp_path / "config"
    config.write_text(f"[default]\nregion = nowhere-1\nendpoint_url = {DEAD}\n")
    proxies = {name: DEAD for kind in ("http", "https", "all") for name in (f"{kind}_proxy", f"{kind}_proxy".upper())}
    return checkout, proxies | {
        "PATH": os.environ["PATH"],
        "no_proxy": "elsewhere.example",
        "AWS_PROFILE": "nosuch",
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(config),
        "AWS_ENDPOINT_URL": DEAD,
        "AWS_ENDPOINT_URL_SQS": DEAD,
        "AWS_REGION": "us-gov-west-1",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/of-the-user",
        "AWS_CA_BUNDLE": "/nowhere.pem",
        "SAM_CLI_POLL_DELAY": "999",
        "LAMBDA_EXECUTOR": "docker",
        "PIP_INDEX_URL": DEAD,
        "HOME": "/nowhere",
        "TMPDIR": str(temporary),
    }


def start(module: str, folder: Path = ROOT, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Start one of the commands as its Make target does."""
    return subprocess.Popen(
        [sys.executable, "-m", module],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_two_demos_at_once_both_keep_every_guarantee(office: tuple[Path, dict[str, str]]):
    """Each has its own port, stacks and queues; each exits with 0, also the one that is far from at home."""
    demos = [start("local.demo"), start("local.demo", *office)]
    outputs = [demo.communicate(timeout=400)[0] for demo in demos]
    assert [demo.returncode for demo in demos] == [0, 0], outputs
    for output, root in zip(outputs, (ROOT, office[0]), strict=True):
        assert output.count("    kept    ") == 6
        assert output.count("    shown      ") == 7
        (written,) = re.findall(r"^What was written: ([0-9]+) events$", output, re.MULTILINE)
        for client in CLIENTS:
            assert f"{client}: {written} delivered, 0 still held" in output
        assert "8: Status: enum (/RegistrationNumber/Status), breaks the contract" in output
        assert "behind event 8, which breaks the contract" in output
        assert re.search("behind event [0-9]+, parked: Sqs.QueueDoesNotExist", output)
        _assert_drawn((root / "build" / "demo.html").read_text("utf-8"), written)
    assert list(Path(office[1]["TMPDIR"]).iterdir()) == []


def _assert_drawn(picture: str, written: str) -> None:
    """The picture tells of every client, of each way to come, of what waited, and of the path that parked."""
    for client in CLIENTS:
        assert f"{client}: what came, in that order ({written})" in picture
    for way in ("live", "released", "redriven", "history"):
        assert f'class="dot {way}"><title>Event' in picture
    assert "at the gate: Status: enum (/RegistrationNumber/Status), breaks the contract" in picture
    assert "Client Served <b>(nothing to send)</b>" in picture
    assert "Send Wave ✕ Sqs.QueueDoesNotExist</span> → Wave Refused → All Accepted? → Park Events" in picture
    assert "Ann Example" not in picture


def test_up_serves_a_shell_until_it_is_told_to_stop(office: tuple[Path, dict[str, str]]):
    """What it prints lets a shell full of other settings put an event into the table; an interrupt ends all."""
    folder, environment = office
    command = start("local.up", folder, environment)
    assert command.stdout is not None
    lines = []
    for line in command.stdout:
        lines.append(line)
        if line.startswith("Ctrl-C"):
            break
    told = "".join(lines)
    (entry,) = re.findall(r"^  (\. .+env\.sh.*)$", told, re.MULTILINE)
    (put,) = re.findall(r"^  (aws dynamodb put-item .+)$", told, re.MULTILINE)
    (console,) = re.findall(r"^  (http://127\.0\.0\.1:[0-9]+/\?token=.+)$", told, re.MULTILINE)
    browser = build_opener(HTTPCookieProcessor(), ProxyHandler({}))
    with browser.open(console, timeout=30) as page:
        assert "Overview" in page.read().decode()
    shell = ["sh", "-euc", f"{entry}\n{put}\n aws dynamodb scan --table-name RegistrationNumberEvent --select COUNT"]
    scanned = subprocess.run(shell, env=environment, capture_output=True, text=True, check=False)
    command.send_signal(signal.SIGINT)
    rest, _ = command.communicate(timeout=60)
    assert (command.returncode, scanned.returncode) == (0, 0), told + rest + scanned.stderr
    assert '"Count": 1' in scanned.stdout
    assert "nothing is left running" in rest
