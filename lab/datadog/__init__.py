"""Datadog's API: pushes the monitors and the dashboard of `datadog/` to an account; reads its metrics.

The Agent's data need no code of the lab: `datadog/` configures them.
"""
