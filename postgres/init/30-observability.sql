-- What Datadog Database Monitoring and postgres_exporter need inside this database, by Datadog's setup
-- for PostgreSQL 15. `./creditlab doctor` checks each of these, and says what goes dark without it.
-- To be run in every database that is to be observed.

-- In public, where both observers look for them: it is on the default search path.
CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public;
CREATE EXTENSION IF NOT EXISTS pg_buffercache SCHEMA public;

CREATE SCHEMA IF NOT EXISTS datadog;
GRANT USAGE ON SCHEMA datadog TO datadog;
GRANT USAGE ON SCHEMA public TO datadog, postgres_exporter;

-- pg_stats shows the widths of a column's values, which bloat is estimated from, to those who may read
-- the column. Customers are left out: their rows are personal data, and no metric is worth them.
GRANT SELECT ON
    credit_products, credit_proposals, credit_analysis, credit_contracts, installments,
    credit_transactions, audit_log, audit_summary, seed_manifest
    TO datadog;

-- EXPLAIN checks the privileges of the statement it explains, writes included. So the Agent's function
-- runs as a role that may do what the application may do, and nothing else; nobody can log in as it.
-- A role of its own has a second use: with track = all each EXPLAIN counts as a call in
-- pg_stat_statements, and here it counts for this role, not for the application.
SELECT 'CREATE ROLE datadog_explain' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'datadog_explain')
\gexec
ALTER ROLE datadog_explain NOLOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
GRANT credit_app TO datadog_explain;

-- The name, the signature and the read-only transaction are what the Agent calls for. A cursor takes one
-- statement only, so nothing can be appended. The search path is fixed, temporary objects last: a
-- caller's temporary table or function cannot take the place of one of the application's.
CREATE OR REPLACE FUNCTION datadog.explain_statement(l_query text, OUT explain json)
RETURNS SETOF json
LANGUAGE plpgsql
STRICT
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $function$
DECLARE
    statement_plan refcursor;
BEGIN
    SET TRANSACTION READ ONLY;
    OPEN statement_plan FOR EXECUTE 'EXPLAIN (FORMAT JSON) ' || l_query;
    FETCH statement_plan INTO explain;
    CLOSE statement_plan;
    RETURN NEXT;
END
$function$;
ALTER FUNCTION datadog.explain_statement(text) OWNER TO datadog_explain;
REVOKE ALL ON FUNCTION datadog.explain_statement(text) FROM public;
GRANT EXECUTE ON FUNCTION datadog.explain_statement(text) TO datadog;
