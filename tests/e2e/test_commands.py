"""Proves that the demo keeps its word when two people run it at once, and that `make up` ends cleanly."""

import signal
import subprocess
import sys

from local.stack import ROOT


def start(module: str) -> subprocess.Popen[str]:
    """Start one of the commands as its Make target does."""
    return subprocess.Popen(
        [sys.executable, "-m", module],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_two_demos_at_once_both_hold_every_guarantee():
    """Each has its own port, stacks and queues; each tells its story and exits with 0."""
    demos = [start("local.demo"), start("local.demo")]
    outputs = [demo.communicate(timeout=240)[0] for demo in demos]
    assert [demo.returncode for demo in demos] == [0, 0], outputs
    for output in outputs:
        assert output.count("held  ") == 6
        assert "Insurer: 12 delivered, 0 parked" in output
        assert "Archive: 0 delivered, 12 parked" in output
        assert 'breaks "enum" at /RegistrationNumber/Status' in output


def test_up_runs_until_it_is_told_to_stop():
    """It prints how to use the stack; an interrupt ends the engine with it."""
    command = start("local.up")
    assert command.stdout is not None
    lines = []
    for line in command.stdout:
        lines.append(line)
        if line.startswith("Ctrl-C"):
            break
    command.send_signal(signal.SIGINT)
    rest, _ = command.communicate(timeout=60)
    assert command.returncode == 0
    assert "nothing is left running" in rest
    assert any("aws dynamodb put-item" in line for line in lines)
