"""Faults made on purpose, one file each in faults/, and what runs, proves and always heals them.

Called drills because that is what they are for: to be prepared, people and dashboards both. What the
observers made of a drill is judged in lab/judge, which knows nothing of how a fault is made.
"""
