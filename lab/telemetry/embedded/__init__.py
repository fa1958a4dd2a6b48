"""The embedded agent, not Datadog's: what stands in for a Datadog Agent where none is installed.

It collects the DBM side as Datadog documents it for its check, connected as the role `datadog`: deltas of
pg_stat_statements, samples of pg_stat_activity, estimated plans through datadog.explain_statement,
settings and tables. It sends them to the intake in the Agent's shapes, marked by their version.
"""
