"""`bench load`: our engine beside pgbench, with the same SQL, the same connections, in the same run."""
