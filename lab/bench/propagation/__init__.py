"""`bench propagation`: DBM propagation of ddtrace by driver, with and without PgBouncer."""
