"""Fault injection drills, one file each in faults/; the runner that injects, proves and always heals a fault.

A drill prepares people and dashboards for an incident. lab/judge decides what each observer detected; it
does not depend on how a fault is injected.
"""
