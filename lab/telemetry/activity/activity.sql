-- The lab's own sampling of sessions.

-- name: sessions
-- Sessions that are not idle, with their wait events and blocking pids; the sampler's own session is excluded.
SELECT pid, datname, usename, application_name, backend_type, state, wait_event_type, wait_event, query_id,
       query, query_start, xact_start,
       CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(pid) ELSE '{}' END
FROM pg_stat_activity
WHERE pid <> pg_backend_pid()
  AND (backend_type <> 'client backend' AND wait_event_type IS DISTINCT FROM 'Activity' OR state <> 'idle')
