-- The embedded agent's queries. Each text ends with its name, so that pg_stat_statements shows the cost of each.

-- name: statement_counters
-- Counters without texts, one row per role and statement, and when they were last reset.
SELECT i.stats_reset, s.queryid, d.oid, r.oid, d.datname, r.rolname,
       sum(s.calls)::bigint, sum(s.rows)::bigint, sum(s.total_exec_time), sum(s.total_plan_time),
       sum(s.blk_read_time), sum(s.blk_write_time), sum(s.shared_blks_hit)::bigint,
       sum(s.shared_blks_read)::bigint, sum(s.shared_blks_dirtied)::bigint,
       sum(s.shared_blks_written)::bigint, sum(s.temp_blks_read)::bigint,
       sum(s.temp_blks_written)::bigint, sum(s.wal_bytes)::float8
FROM pg_stat_statements(false) s
CROSS JOIN pg_stat_statements_info i
JOIN pg_database d ON d.oid = s.dbid
JOIN pg_roles r ON r.oid = s.userid
WHERE s.queryid IS NOT NULL
GROUP BY 1, 2, 3, 4, 5, 6

-- name: statement_texts
-- The texts of new statements.
SELECT DISTINCT ON (queryid) queryid, query
FROM pg_stat_statements
WHERE queryid = ANY(%(queryids)s)
ORDER BY queryid

-- name: sessions
-- Client sessions with a statement, and their wait events and blocking pids; idle ones whose statement is new since the last sample.
SELECT pid, datid, datname, usesysid, usename, application_name, host(client_addr), client_port,
       backend_type, backend_start, backend_xid::text, backend_xmin::text, state, state_change,
       wait_event_type, wait_event, query_id, query, query_start, xact_start, clock_timestamp(),
       CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(pid) ELSE '{}' END
FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND datname IS NOT NULL AND query <> '' AND query_start IS NOT NULL
  AND state IS NOT NULL
  AND (state <> 'idle' OR query_start >= coalesce(%(newest_start)s, '-infinity'::timestamptz))

-- name: connections
-- All client sessions, idle ones too, by the tags of Datadog's postgresql.connections.
SELECT application_name, state, usename, datname, count(*)::int
FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND client_port IS NOT NULL
GROUP BY 1, 2, 3, 4

-- name: explain
-- An estimated plan, by the function that Datadog's setup defines.
SELECT datadog.explain_statement(%(statement)s)

-- name: settings
-- The server's settings.
SELECT name, setting FROM pg_settings ORDER BY name

-- name: text_size
-- Maximum size of a session's statement text, in bytes.
SELECT setting::int FROM pg_settings WHERE name = 'track_activity_query_size'

-- name: columns
-- The tables' columns; PostgreSQL's log identifies a table by its oid.
SELECT n.nspname, c.relname, c.oid, a.attname, format_type(a.atttypid, a.atttypmod)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1, 2, a.attnum
