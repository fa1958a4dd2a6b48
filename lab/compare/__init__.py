"""The same questions put to both observers, beside the truth; and what observing costs the database.

An answer has its value, the age of its freshest point, its resolution, and where to look for it. "Cannot
answer" is an answer, with the reason.
"""
