"""`bench cost`: unit costs of an operation, a span and a series in the running lab, in CPU time and bytes."""
