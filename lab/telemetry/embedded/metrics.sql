-- The embedded agent's queries for the check's metrics: columns of tags, then of values, as in metrics.py.

-- name: metrics_databases
-- Counters of each database, its size, and the transactions left before wraparound.
SELECT d.datname, s.xact_commit::float8, s.xact_rollback::float8, s.tup_inserted::float8,
       s.tup_updated::float8, s.tup_deleted::float8, s.temp_bytes::float8, s.blk_read_time,
       s.blk_write_time, s.deadlocks::float8, pg_database_size(d.oid)::float8,
       (2147483647 - age(d.datfrozenxid))::float8
FROM pg_database d
JOIN pg_stat_database s ON s.datid = d.oid
WHERE d.datallowconn AND NOT d.datistemplate

-- name: metrics_tables
-- Rows, scans and blocks of each table of this database.
SELECT current_database(), t.schemaname, t.relname, t.n_tup_ins::float8, t.n_tup_upd::float8,
       t.n_tup_del::float8, t.seq_tup_read::float8, i.heap_blks_hit::float8, i.heap_blks_read::float8,
       t.autovacuum_count::float8, t.n_live_tup::float8, t.n_dead_tup::float8
FROM pg_stat_user_tables t
JOIN pg_statio_user_tables i USING (relid)

-- name: metrics_table_sizes
-- Size of each table with its indexes. Tables with a granted or awaited ACCESS EXCLUSIVE lock are left out: this query would wait, too.
SELECT current_database(), n.nspname, c.relname, pg_total_relation_size(c.oid)::float8
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname NOT LIKE 'pg_toast%%'
  AND NOT EXISTS (
      SELECT FROM pg_locks l WHERE l.relation = c.oid AND l.mode = 'AccessExclusiveLock')

-- name: metrics_server
-- Checkpoints, write-ahead log, connections in use as a share of those allowed, seconds since the start.
SELECT b.checkpoints_req::float8, b.checkpoints_timed::float8, w.wal_bytes::float8,
       (SELECT sum(numbackends) FROM pg_stat_database)::float8
           / current_setting('max_connections')::float8,
       extract(epoch FROM now() - pg_postmaster_start_time())::float8
FROM pg_stat_bgwriter b
CROSS JOIN pg_stat_wal w

-- name: metrics_activity
-- Active sessions and transactions that wait for their client, by user and application.
SELECT datname, usename, application_name, count(*) FILTER (WHERE state = 'active')::float8,
       count(*) FILTER (WHERE state LIKE 'idle in transaction%%')::float8,
       extract(epoch FROM max(clock_timestamp() - xact_start))::float8
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND datname IS NOT NULL
GROUP BY 1, 2, 3

-- name: metrics_waits
-- Sessions by what they wait for.
SELECT datname, usename, application_name, backend_type, coalesce(wait_event, 'NoWaitEvent'),
       count(*)::float8
FROM pg_stat_activity
GROUP BY 1, 2, 3, 4, 5

-- name: metrics_functions
-- Calls of each function that is tracked.
SELECT current_database(), schemaname, funcname, sum(calls)::float8
FROM pg_stat_user_functions
GROUP BY 1, 2, 3

-- name: metrics_locks
-- Locks of tables of this database by mode.
SELECT current_database(), n.nspname, c.relname, l.mode, l.locktype,
       CASE WHEN l.granted THEN 'True' ELSE 'False' END, CASE WHEN l.fastpath THEN 'True' ELSE 'False' END,
       count(*)::float8
FROM pg_locks l
JOIN pg_class c ON c.oid = l.relation
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE l.pid <> pg_backend_pid() AND n.nspname NOT LIKE 'pg\_%%'
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
GROUP BY 1, 2, 3, 4, 5, 6, 7
