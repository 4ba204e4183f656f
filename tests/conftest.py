"""Settings and pytest plugins for all tests."""

from hypothesis import HealthCheck, Phase, settings

pytest_plugins = ["pytester"]

# The same examples on each run, and no verdict that depends on how busy the machine is.
settings.register_profile("steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "mutants",
    deadline=None,
    max_examples=25,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],  # that a test fails is enough, so its example need not be small
)
settings.load_profile("steady")
