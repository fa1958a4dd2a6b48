"""How hypothesis looks for counterexamples: without a deadline for one example, as machines are shared."""

from hypothesis import settings

settings.register_profile("lab", deadline=None)
settings.load_profile("lab")
