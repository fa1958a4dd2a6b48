-- The drilldown's queries of PostgreSQL about sessions.

-- name: live_sessions
-- All client sessions except the querying one, with the pids that block each.
SELECT pid, usename, application_name, datname, state, wait_event_type, wait_event, query_id, query,
       backend_type, extract(epoch FROM clock_timestamp() - query_start)::float8,
       extract(epoch FROM clock_timestamp() - xact_start)::float8,
       extract(epoch FROM clock_timestamp() - state_change)::float8,
       CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(pid) ELSE '{}' END
FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND (backend_type = 'client backend' OR state IS NOT NULL)
ORDER BY xact_start NULLS LAST, pid
LIMIT 500
