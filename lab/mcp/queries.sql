-- The tools' queries of the store. SQLite; `:name` are parameters.

-- name: activity_by
-- Activity samples in a time range, counted by one column.
SELECT coalesce({column}, '(none)') AS value, count(*), count(DISTINCT pid), min(at_ns), max(at_ns),
       sum(blocking_pids <> '[]')
FROM activity
WHERE at_ns >= :since AND at_ns < :until AND {sources} AND (:state IS NULL OR state = :state)
GROUP BY 1 ORDER BY 2 DESC LIMIT :limit

-- name: rounds
-- The number of activity samples of all sessions, with their interval as the sender states it.
SELECT count(*), max(interval_s), max(source) FROM activity_rounds
WHERE at_ns >= :since AND at_ns < :until AND {sources}

-- name: roots
-- The root spans of one service: operation, duration and error of each.
SELECT resource, duration_ns, error FROM spans
WHERE parent_id IS NULL AND service = :service AND start_ns >= :since AND start_ns < :until
ORDER BY start_ns DESC LIMIT :limit

-- name: metric_names
-- The names of the Agent's metrics with series that are not older than a time.
SELECT name, max(type), count(*), max(seen_ns), max(source) FROM metric_series
WHERE seen_ns >= :since GROUP BY 1 ORDER BY 1

-- name: newest
-- The time of the newest data of each stream that the console has received.
SELECT (SELECT max(start_ns) FROM spans) AS apm,
       max(coalesce((SELECT max(at_ns) FROM executions), 0), coalesce((SELECT max(at_ns) FROM events), 0)) AS log,
       (SELECT max(at_ns) FROM query_metrics WHERE {sources}) AS datadog
