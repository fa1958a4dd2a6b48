"""Compares both observers with the ground truth, and measures the cost of monitoring for the database.

An answer has a value, the age of its newest point, its resolution, and its source; or the reason why an
observer has no value.
"""
