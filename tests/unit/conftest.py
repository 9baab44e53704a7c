"""Settings of the unit tests."""

from hypothesis import settings

# Generated inputs are not timed: two cores are shared with whatever else runs.
settings.register_profile("unit", deadline=None)
settings.load_profile("unit")
