"""One stack under attack for all of the tier; every test attacks other marks."""

from collections.abc import Iterator

import pytest

from tests.faults.world import CLIENTS, World, attacked


@pytest.fixture(scope="session")
def attacked_world() -> Iterator[World]:
    """The deployed stack, its faults and the model."""
    with attacked() as world:
        yield world
        print(f"\n{world.tally}")  # noqa: T201 - what the tier did is part of what it says


@pytest.fixture
def world(attacked_world: World) -> Iterator[World]:
    """The stack with nothing wrong; whatever the test did wrong is mended after it."""
    attacked_world.begin()
    yield attacked_world
    for client in CLIENTS:
        attacked_world.heal(client)
        attacked_world.redrive(client)
