-- The drilldown's queries of the store about statements. SQLite; `:name` are parameters.

-- name: nearest_estimates
-- The nearest estimated plans of a statement before and after a time. An Agent's plan has a signature, no queryid.
SELECT id FROM (
    SELECT id FROM plans
    WHERE (queryid IN (SELECT value FROM json_each(:queryids))
       OR queryid IS NULL AND signature IN (SELECT value FROM json_each(:signatures)))
      AND NOT executed AND at_ns <= :at ORDER BY at_ns DESC LIMIT 1
) UNION ALL
SELECT id FROM (
    SELECT id FROM plans
    WHERE (queryid IN (SELECT value FROM json_each(:queryids))
       OR queryid IS NULL AND signature IN (SELECT value FROM json_each(:signatures)))
      AND NOT executed AND at_ns > :at ORDER BY at_ns LIMIT 1
)

-- name: signatures
-- The signatures of these queryids' statements in an Agent's plans, samples and texts.
SELECT DISTINCT signature FROM statements
WHERE queryid IN (SELECT value FROM json_each(:queryids)) AND signature IS NOT NULL

-- name: queryids
-- The queryids of signatures: an Agent's query metrics have both. Lists of different lengths share a signature.
SELECT DISTINCT queryid FROM statements
WHERE signature IN (SELECT value FROM json_each(:signatures)) AND queryid IS NOT NULL

-- name: totals
-- Query metrics of each statement in a window, as received by DBM.
SELECT coalesce(CAST(queryid AS TEXT), signature) AS key, queryid, max(signature) AS signature,
       max(source) AS source, sum(calls) AS calls, sum(exec_time_ms) AS total_ms,
       sum(exec_time_ms) / max(sum(calls), 1) AS mean_ms, sum(rows) AS rows,
       sum(blk_read_time_ms + blk_write_time_ms) AS io_ms,
       sum(shared_blks_hit) AS hit, sum(shared_blks_read) AS read, sum(temp_blks_written) AS temp_written
FROM query_metrics
WHERE at_ns >= :since AND at_ns < :until AND (:role IS NULL OR role = :role)
GROUP BY 1

-- name: texts
-- Names and texts of statements, by key.
SELECT key, name, owner, text FROM statements WHERE key IN (SELECT value FROM json_each(:keys))

-- name: identity
-- A statement by key or by name: PostgreSQL has a queryid for each length of an IN list.
SELECT key, queryid, signature, name, owner, text FROM statements
WHERE key = :key OR (name = :key AND text NOT LIKE 'EXPLAIN%')
ORDER BY seen_ns DESC LIMIT 100

-- name: mentioned
-- A statement by the rows that have its queryid or signature, without its text.
SELECT :key, :queryid, NULL, max(statement), NULL, '' FROM (
    SELECT statement FROM executions WHERE queryid = :queryid
    UNION SELECT statement FROM plans WHERE queryid = :queryid
    UNION SELECT statement FROM activity WHERE queryid = :queryid
    UNION SELECT statement FROM events WHERE queryid = :queryid
    UNION SELECT NULL FROM query_metrics WHERE queryid = :queryid
) WHERE :queryid IS NOT NULL HAVING count(*) > 0
UNION ALL
SELECT :key, NULL, :key, max(statement), NULL, '' FROM (
    SELECT statement FROM plans WHERE signature = :key AND queryid IS NULL
    UNION SELECT statement FROM activity WHERE signature = :key AND queryid IS NULL
    UNION SELECT NULL FROM query_metrics WHERE signature = :key AND queryid IS NULL
) WHERE :queryid IS NULL HAVING count(*) > 0

-- name: known_keys
-- Of queryids in decimal, signatures and names: those of statements.
SELECT key FROM statements WHERE key IN (SELECT value FROM json_each(:keys))
UNION SELECT name FROM statements WHERE name IN (SELECT value FROM json_each(:keys))

-- name: callers
-- Services of which an execution of the statement was seen.
SELECT service FROM executions WHERE queryid IN (SELECT value FROM json_each(:queryids)) AND at_ns >= :since
UNION SELECT service FROM plans
WHERE (queryid IN (SELECT value FROM json_each(:queryids))
       OR queryid IS NULL AND signature IN (SELECT value FROM json_each(:signatures)))
  AND at_ns >= :since
UNION SELECT service FROM activity
WHERE (queryid IN (SELECT value FROM json_each(:queryids))
       OR queryid IS NULL AND signature IN (SELECT value FROM json_each(:signatures)))
  AND at_ns >= :since
ORDER BY 1

-- name: slowest
-- The slowest logged executions, with whether the store has the plan and the span of each.
SELECT e.at_ns, e.duration_ns, e.queryid, e.trace_id, e.span_id, e.service,
       EXISTS (SELECT 1 FROM plans p WHERE p.trace_id = e.trace_id AND p.span_id = e.span_id AND p.executed),
       EXISTS (SELECT 1 FROM spans s WHERE s.trace_id = e.trace_id AND s.span_id = e.span_id)
FROM executions e
WHERE e.queryid IN (SELECT value FROM json_each(:queryids)) AND e.at_ns >= :since AND e.at_ns < :until
ORDER BY e.duration_ns DESC LIMIT :limit

-- name: plans
-- Plans without their text, oldest first.
SELECT id, at_ns, executed, duration_ns, shape, trace_id, span_id FROM (
    SELECT id, at_ns, executed, duration_ns, shape, trace_id, span_id FROM plans
    WHERE (queryid IN (SELECT value FROM json_each(:queryids))
       OR queryid IS NULL AND signature IN (SELECT value FROM json_each(:signatures)))
      AND at_ns >= :since AND at_ns < :until
    ORDER BY at_ns DESC LIMIT :limit
) ORDER BY at_ns

-- name: definitions
-- The JSON of plans, with the time that auto_explain measured for executed ones.
SELECT id, definition, CASE WHEN executed THEN duration_ns END FROM plans WHERE id IN (SELECT value FROM json_each(:ids))

-- name: calls_over_time
-- Calls and time received by DBM, in steps of :step nanoseconds; a delta belongs to the step in which it ends.
SELECT (at_ns - :since - 1) / :step AS step, sum(calls), sum(exec_time_ms), max(source) FROM query_metrics
WHERE queryid IN (SELECT value FROM json_each(:queryids)) AND at_ns > :since AND at_ns <= :until
  AND (:role IS NULL OR role = :role)
GROUP BY 1
