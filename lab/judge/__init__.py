"""Who saw it, how soon, how exactly: verdicts over recorded evidence, by rules that only compute.

What an observer is asked goes through its own channel alone: Prometheus' API, what the Agent sent, spans,
PostgreSQL's log. The truth is used to check names that an observer gave, never to find them.
"""
