"""`bench load`: the load engine compared with pgbench: same SQL, same number of connections, same run."""
