"""How each kind of fault is injected and proven, with a victim, a culprit and an intensity.

Nothing that PostgreSQL, an observer or the process list shows has the name of a kind: statements and tables
have the names that an application of the bank would give them. The heal is the same for all kinds:
lab/exam/restoring.py.
"""

from lab.exam.mechanisms.mechanism import Mechanism
from lab.exam.mechanisms.registry import MECHANISMS, PREPARED, herring

__all__ = ["MECHANISMS", "PREPARED", "Mechanism", "herring"]
