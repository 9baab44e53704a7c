"""One stack under attack for all of the tier; every test attacks other marks."""

from collections.abc import Iterator

import pytest

from tests.faults.world import World, attacked


@pytest.fixture(scope="session")
def attacked_world() -> Iterator[World]:
    """The deployed stack, its faults and the model."""
    with attacked() as world:
        yield world


@pytest.fixture
def world(attacked_world: World, request: pytest.FixtureRequest) -> Iterator[World]:
    """The stack with nothing wrong; whatever the test did wrong is mended after it."""
    attacked_world.begin()
    yield attacked_world
    attacked_world.mend()
    request.node.user_properties.append(("faults", str(attacked_world.tally)))


def pytest_itemcollected(item: pytest.Item) -> None:
    """Have the tests of one stack run one after another, where others run beside them."""
    item.add_marker(pytest.mark.xdist_group("stack under attack"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the tier did, and what it found; the last test's tally is of all, whichever process ran them."""
    reports = terminalreporter.stats.get("", [])
    tallies = [value for report in reports for name, value in report.user_properties if name == "faults"]
    for tally in tallies[-1:]:
        terminalreporter.write_line(f"faults: {tally}")
