"""Settings of the unit tests."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from mark_event_queue.adapters import aws

# Generated inputs are not timed: two cores are shared with whatever else runs.
settings.register_profile("unit", deadline=None)
settings.load_profile("unit")


@pytest.fixture(autouse=True)
def clients_of_its_own() -> Iterator[None]:
    """A function makes its clients once; a test is another function each time."""
    yield
    aws.client_of.cache_clear()
    aws._session.cache_clear()
