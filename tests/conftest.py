"""What holds for all tests."""

from hypothesis import settings

pytest_plugins = ["pytester"]

# A property does not become wrong because the machine is busy.
settings.register_profile("patient", deadline=None)
settings.register_profile("mutants", deadline=None, max_examples=25, derandomize=True, database=None)
settings.load_profile("patient")
