-- The embedded agent's queries for the check's metrics: columns of tags, then of values, as in metrics.py.

-- name: metrics_databases
-- Counters of each database, its size, and the transactions left before wraparound.
SELECT d.datname, s.xact_commit, s.xact_rollback, s.tup_inserted, s.tup_updated, s.tup_deleted,
       s.tup_fetched, s.tup_returned, s.temp_bytes, s.temp_files, s.blks_hit, s.blks_read, s.deadlocks,
       s.blk_read_time, s.blk_write_time, s.deadlocks, s.checksum_failures, s.session_time, s.active_time,
       s.idle_in_transaction_time, s.sessions, s.sessions_abandoned, s.sessions_fatal, s.sessions_killed,
       c.confl_tablespace, c.confl_lock, c.confl_snapshot, c.confl_bufferpin, c.confl_deadlock,
       pg_database_size(d.oid), 2147483647 - age(d.datfrozenxid)
FROM pg_database d
JOIN pg_stat_database s ON s.datid = d.oid
JOIN pg_stat_database_conflicts c ON c.datid = d.oid
WHERE d.datallowconn AND NOT d.datistemplate

-- name: metrics_tables
-- Rows, scans and blocks of each table of this database.
SELECT current_database(), t.schemaname, t.relname, t.n_tup_ins, t.n_tup_upd, t.n_tup_del, t.n_tup_hot_upd,
       t.seq_scan, t.seq_tup_read, t.idx_scan, t.idx_tup_fetch, i.heap_blks_hit, i.heap_blks_read,
       i.idx_blks_hit, i.idx_blks_read, t.vacuum_count, t.autovacuum_count, t.analyze_count,
       t.autoanalyze_count, t.n_live_tup, t.n_dead_tup, extract(epoch FROM now() - t.last_vacuum),
       extract(epoch FROM now() - t.last_autovacuum), extract(epoch FROM now() - t.last_analyze),
       extract(epoch FROM now() - t.last_autoanalyze)
FROM pg_stat_user_tables t
JOIN pg_statio_user_tables i USING (relid)

-- name: metrics_table_sizes
-- Sizes of each table. Tables with a granted or awaited ACCESS EXCLUSIVE lock are left out: this query would wait, too.
SELECT current_database(), n.nspname, c.relname, pg_relation_size(c.oid), pg_table_size(c.oid),
       pg_indexes_size(c.oid), pg_total_relation_size(c.oid), c.relpages, c.reltuples, c.relallvisible
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND NOT EXISTS (
      SELECT FROM pg_locks l WHERE l.relation = c.oid AND l.mode = 'AccessExclusiveLock')

-- name: metrics_table_counts
-- Number of tables of each schema.
SELECT current_database(), schemaname, count(*)
FROM pg_stat_user_tables
GROUP BY 1, 2

-- name: metrics_bloat
-- Pages of each table divided by those that its rows need, by their mean width in pg_stats: 24 bytes of header and 4 of its pointer for a row, 24 for a page. Only of tables that the role may read.
WITH widths AS (
    SELECT schemaname, tablename, ceil(sum((1 - null_frac) * avg_width) / 8) * 8 AS width
    FROM pg_stats
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND NOT inherited
    GROUP BY 1, 2
)
SELECT current_database(), w.schemaname, w.tablename,
       round((c.relpages / greatest(ceil(c.reltuples * (w.width + 28)
           / (current_setting('block_size')::int - 24)), 1))::numeric, 1)
FROM widths w
JOIN pg_namespace n ON n.nspname = w.schemaname
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.tablename
WHERE c.relkind = 'r' AND c.relpages > 0

-- name: metrics_buffercache
-- Buffers of shared_buffers by relation of this database and of the shared catalogs, with their use; unused ones without a relation.
SELECT CASE WHEN b.reldatabase > 0 THEN current_database() ELSE 'shared' END, n.nspname, c.relname,
       nullif(count(b.relfilenode), 0), sum(b.usagecount), nullif(count(*) FILTER (WHERE b.isdirty), 0),
       nullif(sum(b.pinning_backends), 0), count(*) FILTER (WHERE b.relfilenode IS NULL)
FROM pg_buffercache b
LEFT JOIN pg_class c ON pg_relation_filenode(c.oid) = b.relfilenode
LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE b.reldatabase IS NULL
   OR b.reldatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
GROUP BY 1, 2, 3

-- name: metrics_server
-- Checkpoints, write-ahead log, archive, connections in use as a share of those allowed, seconds since the start.
SELECT b.checkpoints_req, b.checkpoints_timed, b.checkpoint_write_time, b.checkpoint_sync_time,
       b.buffers_checkpoint, b.buffers_clean, b.maxwritten_clean, b.buffers_backend,
       b.buffers_backend_fsync, b.buffers_alloc, w.wal_bytes, w.wal_records, w.wal_fpi, w.wal_buffers_full,
       w.wal_write, w.wal_sync, w.wal_write_time, w.wal_sync_time, a.archived_count, a.failed_count,
       (SELECT sum(numbackends) FROM pg_stat_database) / m.max_connections::float8, m.max_connections,
       extract(epoch FROM now() - pg_postmaster_start_time()),
       (SELECT count(*) FROM pg_database WHERE datallowconn AND NOT datistemplate), 1
FROM pg_stat_bgwriter b
CROSS JOIN pg_stat_wal w
CROSS JOIN pg_stat_archiver a
CROSS JOIN (SELECT current_setting('max_connections')::int AS max_connections) m

-- name: metrics_wal_files
-- Number and bytes of the files of the write-ahead log, and the age of the oldest in seconds.
SELECT count(*), sum(size), extract(epoch FROM now() - min(modification))
FROM pg_ls_waldir()

-- name: metrics_activity
-- Active and waiting sessions, open transactions and their ages, by user and application.
SELECT datname, usename, application_name, count(*) FILTER (WHERE state = 'active'),
       count(*) FILTER (WHERE wait_event IS NOT NULL),
       count(*) FILTER (WHERE wait_event IS NOT NULL AND state = 'active'),
       count(*) FILTER (WHERE xact_start IS NOT NULL),
       count(*) FILTER (WHERE state LIKE 'idle in transaction%%'),
       extract(epoch FROM max(clock_timestamp() - xact_start)), max(age(backend_xid)), max(age(backend_xmin))
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND datname IS NOT NULL AND pid <> pg_backend_pid()
GROUP BY 1, 2, 3

-- name: metrics_waits
-- Sessions by what they wait for.
SELECT datname, usename, application_name, backend_type, coalesce(wait_event, 'NoWaitEvent'),
       count(*)
FROM pg_stat_activity
GROUP BY 1, 2, 3, 4, 5

-- name: metrics_functions
-- Calls of each function that is tracked.
SELECT current_database(), schemaname, funcname, sum(calls), sum(total_time), sum(self_time)
FROM pg_stat_user_functions
GROUP BY 1, 2, 3

-- name: metrics_locks
-- Locks of tables of this database by mode.
SELECT current_database(), n.nspname, c.relname, l.mode, l.locktype,
       CASE WHEN l.granted THEN 'True' ELSE 'False' END, CASE WHEN l.fastpath THEN 'True' ELSE 'False' END,
       count(*)
FROM pg_locks l
JOIN pg_class c ON c.oid = l.relation
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE l.pid <> pg_backend_pid() AND n.nspname NOT LIKE 'pg\_%%'
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
GROUP BY 1, 2, 3, 4, 5, 6, 7
