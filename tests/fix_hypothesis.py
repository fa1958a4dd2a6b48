"""How Hypothesis generates examples: the same ones in every run, or new ones by `HYPOTHESIS_PROFILE=explore`.

A run that draws new examples finds new counterexamples on a day that nobody chose. So the suite repeats its
own, and exploring is a command: it keeps what it finds in .hypothesis, to be made an `@example`.
"""

import os

from hypothesis import settings

# Without a deadline for one example, as machines are shared.
settings.register_profile("lab", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "lab"))
