-- The lab's own readings, as the role lab. Each text ends with its name, so that pg_stat_statements shows the cost of each.

-- name: truth_database
-- Counters of this database.
SELECT '', xact_commit, xact_rollback, deadlocks, temp_bytes, temp_files, blks_hit, blks_read, active_time,
       blk_read_time, blk_write_time
FROM pg_stat_database
WHERE datname = current_database()

-- name: truth_server
-- Checkpoints, write-ahead log, seconds since the start.
SELECT '', b.checkpoints_timed, b.checkpoints_req, w.wal_bytes::float8,
       extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8
FROM pg_stat_bgwriter b
CROSS JOIN pg_stat_wal w

-- name: truth_sessions
-- Sessions of clients by state; age of the oldest transaction and mean age of idle states, in seconds.
SELECT '', count(*), count(*) FILTER (WHERE state = 'active' AND pid <> pg_backend_pid()),
       count(*) FILTER (WHERE state LIKE 'idle in transaction%%'),
       count(*) FILTER (WHERE wait_event_type = 'Lock'),
       coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)
           FILTER (WHERE pid <> pg_backend_pid())), 0)::float8,
       coalesce(extract(epoch FROM avg(clock_timestamp() - state_change)
           FILTER (WHERE state LIKE 'idle%%')), 0)::float8,
       count(*) FILTER (WHERE usename = 'credit_app')
FROM pg_stat_activity
WHERE backend_type = 'client backend'

-- name: truth_tables
-- Rows, scans and blocks of the most used tables of the schema public.
SELECT t.relname, t.n_tup_ins, t.n_tup_upd, t.n_tup_del, t.n_live_tup, t.n_dead_tup, i.heap_blks_hit,
       i.heap_blks_read, t.seq_tup_read, t.autovacuum_count, t.n_mod_since_analyze
FROM pg_stat_user_tables t
JOIN pg_statio_user_tables i USING (relid)
WHERE t.schemaname = 'public'
ORDER BY i.heap_blks_hit + i.heap_blks_read DESC
LIMIT 50

-- name: truth_statements
-- Counters of the application's statements in this database.
SELECT queryid::text, sum(calls)::float8, sum(total_exec_time), sum(rows)::float8,
       sum(shared_blks_hit)::float8, sum(shared_blks_read)::float8, sum(temp_blks_written)::float8
FROM pg_stat_statements(false)
WHERE userid = (SELECT oid FROM pg_roles WHERE rolname = 'credit_app')
  AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND queryid IS NOT NULL
GROUP BY 1
ORDER BY 3 DESC
LIMIT 300

-- name: truth_roles
-- Calls, time and blocks of each role in this database.
SELECT r.rolname::text, sum(s.calls)::float8, sum(s.total_exec_time),
       sum(s.shared_blks_hit + s.shared_blks_read)::float8
FROM pg_stat_statements(false) s
JOIN pg_roles r ON r.oid = s.userid
WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND s.queryid IS NOT NULL
  AND r.rolname IN ('credit_app', 'credit_owner', 'datadog', 'datadog_explain', 'postgres_exporter', 'lab')
GROUP BY 1

-- name: truth_sizes
-- Size of this database with the transactions left before wraparound, and of its tables. Tables with a granted or awaited ACCESS EXCLUSIVE lock are left out: this query would wait, too.
SELECT '', pg_database_size(oid)::float8, (2147483647 - age(datfrozenxid))::float8
FROM pg_database
WHERE datname = current_database()
UNION ALL
SELECT c.relname, pg_total_relation_size(c.oid)::float8, 0
FROM pg_class c
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
  AND NOT EXISTS (
      SELECT FROM pg_locks l WHERE l.relation = c.oid AND l.mode = 'AccessExclusiveLock')
LIMIT 50
