"""What the checker went through, for whoever reads the output of a run."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many states there were; the tests' properties come back from whichever process ran them."""
    reports = [*terminalreporter.stats.get("passed", []), *terminalreporter.stats.get("failed", [])]
    states = [value for report in reports for name, value in report.user_properties if name == "states"]
    if states:
        terminalreporter.write_line(f"checker: {sum(states):,} states in {len(states)} scopes")
