"""Datadog's own postgres check, run without the Agent, in place of the embedded agent.

The check runs in a process and a virtual environment of its own (`process.py`, which imports nothing of the
lab). This package plays the part of the Agent: configuration, obfuscation, aggregation, batches, delivery.
"""
