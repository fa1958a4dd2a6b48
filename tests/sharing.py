"""The files of acceptance tests that share one native lab, in this order: an `up` costs processor time."""

SHARING: tuple[str, ...] = ()
