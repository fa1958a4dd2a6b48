-- The store's tables: see lab/telemetry/store/records.py, which names every column and its unit.
-- Executed once, into an empty file. Raise VERSION in lab/telemetry/store/file.py with every change of a table; a file
-- with an older index is only slower.

-- Repeated texts: see lab/telemetry/store/texts.py.
CREATE TABLE texts (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, seen_ns INTEGER NOT NULL) STRICT;
CREATE INDEX texts_seen ON texts (seen_ns);

-- `resource` and `tags` are texts, or ids of table `texts`.
CREATE TABLE span_rows (
    id INTEGER PRIMARY KEY,
    trace_id TEXT NOT NULL, span_id TEXT NOT NULL, parent_id TEXT,
    service TEXT NOT NULL, name TEXT NOT NULL, resource ANY NOT NULL, kind TEXT NOT NULL,
    start_ns INTEGER NOT NULL, duration_ns INTEGER NOT NULL, error INTEGER NOT NULL, tags ANY NOT NULL
) STRICT;
CREATE VIEW spans AS SELECT id, id AS rowid, trace_id, span_id, parent_id, service, name, kind, start_ns, duration_ns, error,
    CASE typeof(resource) WHEN 'integer' THEN (SELECT text FROM texts WHERE texts.id = resource) ELSE resource END AS resource,
    CASE typeof(tags) WHEN 'integer' THEN (SELECT text FROM texts WHERE texts.id = tags) ELSE tags END AS tags
FROM span_rows;
-- Unique, so that a payload sent again by a sender that saw no answer counts once.
CREATE UNIQUE INDEX spans_ids ON span_rows (trace_id, span_id);
CREATE INDEX spans_start ON span_rows (start_ns);
-- Has all columns of the search for traces, so that it reads no row that it does not return.
CREATE INDEX spans_roots ON span_rows (service, start_ns, duration_ns, error, resource) WHERE parent_id IS NULL;

CREATE TABLE statements (
    key TEXT PRIMARY KEY, queryid INTEGER, signature TEXT, name TEXT, owner TEXT, text TEXT NOT NULL,
    seen_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX statements_queryid ON statements (queryid);
CREATE INDEX statements_name ON statements (name);
CREATE INDEX statements_signature ON statements (signature) WHERE queryid IS NOT NULL;

CREATE TABLE executions (
    id INTEGER PRIMARY KEY,
    at_ns INTEGER NOT NULL, source TEXT NOT NULL, duration_ns INTEGER NOT NULL, queryid INTEGER,
    trace_id TEXT, span_id TEXT, service TEXT, statement TEXT, pid INTEGER NOT NULL, database TEXT,
    role TEXT, application TEXT
) STRICT;
CREATE INDEX executions_at ON executions (at_ns);
CREATE INDEX executions_trace ON executions (trace_id, span_id);
CREATE INDEX executions_queryid ON executions (queryid, at_ns);

CREATE TABLE plans (
    id INTEGER PRIMARY KEY,
    at_ns INTEGER NOT NULL, source TEXT NOT NULL, executed INTEGER NOT NULL, duration_ns INTEGER,
    queryid INTEGER, signature TEXT, trace_id TEXT, span_id TEXT, service TEXT, statement TEXT,
    pid INTEGER, database TEXT, shape TEXT NOT NULL, definition TEXT NOT NULL
) STRICT;
CREATE INDEX plans_at ON plans (at_ns);
CREATE INDEX plans_trace ON plans (trace_id, span_id);
CREATE INDEX plans_queryid ON plans (queryid, at_ns);
-- A session that stays idle after its statement is sampled with the same plan again and again.
CREATE UNIQUE INDEX plans_once ON plans (trace_id, span_id, signature, shape)
    WHERE NOT executed AND trace_id IS NOT NULL;
-- An Agent's plans have a signature instead of a queryid.
CREATE INDEX plans_signature ON plans (signature, at_ns) WHERE queryid IS NULL;

CREATE TABLE query_metrics (
    id INTEGER PRIMARY KEY,
    at_ns INTEGER NOT NULL, source TEXT NOT NULL, database TEXT NOT NULL, role TEXT NOT NULL,
    signature TEXT NOT NULL, queryid INTEGER, calls INTEGER NOT NULL, rows INTEGER NOT NULL,
    exec_time_ms REAL NOT NULL, plan_time_ms REAL NOT NULL, blk_read_time_ms REAL NOT NULL,
    blk_write_time_ms REAL NOT NULL, shared_blks_hit INTEGER NOT NULL, shared_blks_read INTEGER NOT NULL,
    shared_blks_dirtied INTEGER NOT NULL, shared_blks_written INTEGER NOT NULL,
    temp_blks_read INTEGER NOT NULL, temp_blks_written INTEGER NOT NULL, wal_bytes INTEGER NOT NULL
) STRICT;
-- Unique for the same reason as spans: deltas counted twice would be wrong.
CREATE UNIQUE INDEX query_metrics_once
    ON query_metrics (at_ns, source, database, role, signature, coalesce(queryid, 0));
CREATE INDEX query_metrics_queryid ON query_metrics (queryid, at_ns);

CREATE TABLE activity (
    id INTEGER PRIMARY KEY,
    at_ns INTEGER NOT NULL, source TEXT NOT NULL, pid INTEGER NOT NULL, database TEXT, role TEXT,
    application TEXT, backend_type TEXT, state TEXT, wait_event_type TEXT, wait_event TEXT,
    queryid INTEGER, signature TEXT, trace_id TEXT, span_id TEXT, service TEXT, statement TEXT,
    query_start_ns INTEGER, xact_start_ns INTEGER, blocking_pids TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX activity_once ON activity (at_ns, source, pid);
CREATE INDEX activity_trace ON activity (trace_id, span_id) WHERE trace_id IS NOT NULL;
CREATE INDEX activity_queryid ON activity (queryid, at_ns);
CREATE INDEX activity_signature ON activity (signature, at_ns) WHERE queryid IS NULL;

CREATE TABLE activity_rounds (
    id INTEGER PRIMARY KEY,
    at_ns INTEGER NOT NULL, source TEXT NOT NULL, interval_s REAL, sessions INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX activity_rounds_once ON activity_rounds (at_ns, source);

CREATE TABLE trace_stats (
    id INTEGER PRIMARY KEY,
    at_ns INTEGER NOT NULL, interval_ns INTEGER NOT NULL, service TEXT NOT NULL, name TEXT NOT NULL,
    hits INTEGER NOT NULL, errors INTEGER NOT NULL, duration_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX trace_stats_at ON trace_stats (at_ns);

CREATE TABLE metric_series (
    key INTEGER PRIMARY KEY, source TEXT NOT NULL, host TEXT NOT NULL, name TEXT NOT NULL,
    type TEXT NOT NULL, interval_s REAL, tags TEXT NOT NULL, seen_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX metric_series_name ON metric_series (name);
CREATE INDEX metric_series_seen ON metric_series (seen_ns);

-- Separate from the series: names and tags would be most of every row.
CREATE TABLE metric_points (
    id INTEGER PRIMARY KEY, series INTEGER NOT NULL, at_ns INTEGER NOT NULL, value REAL NOT NULL
) STRICT;
CREATE UNIQUE INDEX metric_points_once ON metric_points (series, at_ns);
CREATE INDEX metric_points_at ON metric_points (at_ns);

CREATE TABLE service_checks (
    id INTEGER PRIMARY KEY,
    at_ns INTEGER NOT NULL, source TEXT NOT NULL, host TEXT NOT NULL, name TEXT NOT NULL,
    status INTEGER NOT NULL, tags TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX service_checks_once ON service_checks (at_ns, source, host, name, tags);

-- Compressed: 3 kB a second instead of 15. Kept for hours only (tables.py).
CREATE TABLE truth (
    id INTEGER PRIMARY KEY,
    at_ns INTEGER NOT NULL, kind TEXT NOT NULL, took_ns INTEGER NOT NULL, payload BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX truth_once ON truth (kind, at_ns);
CREATE INDEX truth_at ON truth (at_ns);

CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    at_ns INTEGER NOT NULL, kind TEXT NOT NULL, pid INTEGER NOT NULL, message TEXT NOT NULL,
    severity TEXT, sqlstate TEXT, database TEXT, role TEXT, application TEXT, queryid INTEGER,
    trace_id TEXT, span_id TEXT, service TEXT, statement TEXT, text TEXT, relation TEXT,
    duration_ns INTEGER, size_bytes INTEGER, figures TEXT NOT NULL, participants TEXT NOT NULL
) STRICT;
CREATE INDEX events_at ON events (at_ns);
CREATE INDEX events_kind ON events (kind, at_ns);
CREATE INDEX events_trace ON events (trace_id, span_id) WHERE trace_id IS NOT NULL;

CREATE TABLE snapshots (
    kind TEXT NOT NULL, host TEXT NOT NULL, at_ns INTEGER NOT NULL, payload TEXT NOT NULL,
    PRIMARY KEY (kind, host)
) STRICT;
CREATE INDEX snapshots_at ON snapshots (at_ns);

CREATE TABLE log_positions (
    file TEXT PRIMARY KEY, head TEXT NOT NULL, head_bytes INTEGER NOT NULL, position INTEGER NOT NULL,
    at_ns INTEGER NOT NULL
) STRICT;
