-- Queries of the checks: sums that must be equal, statistics, and the ledger of each service process.

-- name: sums
-- Sums over contracts and installments, to compare with sums over transactions.
SELECT (SELECT coalesce(sum(principal), 0.00) FROM credit_contracts),
       (SELECT coalesce(sum(amount), 0.00) FROM credit_transactions WHERE kind = 'disbursement'),
       (SELECT coalesce(sum(principal + interest + fee), 0.00) FROM installments WHERE status = 'paid'),
       (SELECT coalesce(sum(amount), 0.00) FROM credit_transactions WHERE kind = 'payment')

-- name: attempted_rows
-- PostgreSQL's own count of attempted rows per table.
SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables WHERE schemaname IN ('public', 'shop')

-- name: server_start
-- If the server restarts within a window, statistics may have been reset.
SELECT pg_postmaster_start_time()

-- name: open_sessions
-- Sessions of the services; the statistics are complete when none is left.
SELECT count(*) FROM pg_stat_activity WHERE usename = 'credit_app' AND datname = current_database()

-- name: ledger
-- Operations of a service process in its audit rows: count and amounts per operation.
SELECT instance::text, operation, sum(rows)::bigint, sum(disbursed), sum(paid)
FROM (
    SELECT instance, operation, 1 AS rows, coalesce((detail ->> 'disbursed')::numeric, 0.00) AS disbursed,
           coalesce((detail ->> 'paid')::numeric, 0.00) AS paid
    FROM audit_log WHERE instance = ANY(%(instances)s::uuid[])
    UNION ALL
    SELECT instance, operation, rows, disbursed, paid
    FROM audit_summary WHERE instance = ANY(%(instances)s::uuid[])
) done
GROUP BY instance, operation
