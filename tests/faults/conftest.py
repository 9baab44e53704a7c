"""One stack under attack for all of the tier; every test attacks other marks."""

from collections.abc import Iterator

import pytest

from tests.faults.world import Tally, World, attacked

_tallies: list[Tally] = []


@pytest.fixture(scope="session")
def attacked_world() -> Iterator[World]:
    """The deployed stack, its faults and the model."""
    with attacked() as world:
        _tallies.append(world.tally)
        yield world


@pytest.fixture
def world(attacked_world: World) -> Iterator[World]:
    """The stack with nothing wrong; whatever the test did wrong is mended after it."""
    attacked_world.begin()
    yield attacked_world
    attacked_world.mend()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Have the tests of one stack run one after another, where others run beside them."""
    item.add_marker(pytest.mark.xdist_group("stack under attack"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the tier did, and what it found."""
    for tally in _tallies:
        terminalreporter.write_line(f"faults: {tally}")
