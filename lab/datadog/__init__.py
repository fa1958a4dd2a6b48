"""Monitors and the dashboard in a Datadog account, kept as the files of `datadog/` say.

Named after where they go. What the Agent sends is configured in `datadog/` and needs no code of ours.
"""
