"""Execution plans: EXPLAIN's JSON as a tree of nodes, each with its own time, rows and blocks."""
