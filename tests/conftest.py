"""Settings of all tests: no example has a deadline of its own, since the machines are shared and a slow one is no fault."""

from hypothesis import settings

settings.register_profile("shared machines", deadline=None)
settings.load_profile("shared machines")
