"""The embedded agent: a substitute for the Datadog Agent on machines without one. Not a Datadog product.

It collects DBM data as Datadog documents it for its postgres check, connected as the role `datadog`: deltas
of pg_stat_statements, samples of pg_stat_activity, estimated plans by datadog.explain_statement, settings
and tables. It sends them to the intake in the Agent's payload formats, with an Agent version of its own.
"""
