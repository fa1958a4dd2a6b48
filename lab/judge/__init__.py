"""Verdicts of drills: which observer showed the fault, after how long, with which detail.

The rules are pure functions over recorded evidence. The evidence of each observer comes from its own source
only: Prometheus' API, the Agent's data, spans, PostgreSQL's log. The ground truth is used to check the names
in the evidence, never to find them.
"""
