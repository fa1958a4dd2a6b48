-- Requirements of Datadog Database Monitoring and postgres_exporter in this database, by Datadog's setup
-- for PostgreSQL 15. `./creditlab doctor` checks each of these, and shows what you lose without it.
-- Run it in every observed database; safe to run again, as `./creditlab up` does.

-- In public, which is on the default search path of both observers.
CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public;
CREATE EXTENSION IF NOT EXISTS pg_buffercache SCHEMA public;

-- HypoPG, where this server has it: the index advice of the console. A hypothetical index exists in one session and
-- only for EXPLAIN, so calling it changes nothing; still only the lab may.
SELECT 'CREATE SCHEMA IF NOT EXISTS hypopg', 'CREATE EXTENSION IF NOT EXISTS hypopg SCHEMA hypopg'
FROM pg_available_extensions WHERE name = 'hypopg'
\gexec
SELECT 'REVOKE ALL ON ALL FUNCTIONS IN SCHEMA hypopg FROM PUBLIC', 'GRANT USAGE ON SCHEMA hypopg TO lab',
       'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA hypopg TO lab'
WHERE to_regnamespace('hypopg') IS NOT NULL
\gexec

CREATE SCHEMA IF NOT EXISTS datadog;
GRANT USAGE ON SCHEMA datadog TO datadog;
GRANT USAGE ON SCHEMA public TO datadog, postgres_exporter;

-- pg_stats shows the widths of a column's values, which bloat is estimated from, to those who may read
-- the column. Customers are excluded: their rows are personal data.
GRANT SELECT ON
    credit_products, credit_proposals, credit_analysis, credit_contracts, installments,
    credit_transactions, audit_log, audit_summary, seed_manifest
    TO datadog;

-- No role may create temporary objects: the lab does not need them, and a function in pg_temp, called in a
-- statement that is explained, would run as the owner of datadog.explain_statement while it is planned.
REVOKE TEMPORARY ON DATABASE :"DBNAME" FROM public;

-- EXPLAIN checks the privileges of the statement it explains, writes included. So the Agent's function
-- runs as a role with the application's table privileges and nothing else: no login, no membership, no
-- object but the function. A member of credit_app could end the services' sessions.
-- A separate role has a second use: with track = all each EXPLAIN counts as a call in
-- pg_stat_statements, and here it counts for this role, not for the application.
SELECT 'CREATE ROLE datadog_explain' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'datadog_explain')
\gexec
ALTER ROLE datadog_explain NOLOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
SELECT 'REVOKE credit_app FROM datadog_explain'
WHERE EXISTS (SELECT FROM pg_auth_members
              WHERE member = 'datadog_explain'::regrole AND roleid = 'credit_app'::regrole)
\gexec
SELECT format('GRANT USAGE ON SCHEMA %I TO datadog_explain', nspname)
FROM pg_namespace
WHERE nspname IN ('public', 'shop')
UNION ALL
SELECT format('GRANT %s ON %s TO datadog_explain', string_agg(privilege_type, ', '), c.oid::regclass)
FROM pg_class c, aclexplode(c.relacl)
WHERE grantee = 'credit_app'::regrole AND c.relkind IN ('r', 'p', 'v', 'm')
GROUP BY c.oid
\gexec

-- The Agent requires the name, the signature and the read-only transaction. A cursor accepts one
-- statement only, so nothing can be appended. The caller must not be able to make the planner run
-- a function of the caller's choice as the owner:
-- - only statements that are planned are explained. EXPLAIN EXECUTE evaluates the parameters, and CREATE
--   TABLE ... AS EXECUTE does so too. The pattern covers a tracer's comments, not nested ones.
-- - the planner evaluates stable functions for its estimates; table_to_xml and similar functions read rows.
-- - a session that has temporary objects is refused, and the search path is fixed.
-- - an error has only its SQLSTATE, which the Agent reports; its text could quote a value.
CREATE OR REPLACE FUNCTION datadog.explain_statement(l_query text, OUT explain json)
RETURNS SETOF json
LANGUAGE plpgsql
STRICT
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $function$
DECLARE
    planned constant text := E'^([[:space:](]|--[^\\n\\r]*[\\n\\r]'
        '|/[*]([^*/]|[*](?!/)|/(?![*]))*[*]/)*'
        '(select|insert|update|delete|merge|with|values|table)'
        '([^[:alnum:]_]|$)';
    statement_plan refcursor;
BEGIN
    IF l_query !~* planned OR l_query ~* '(table|schema|database)_to_xml|u&"'
        OR pg_my_temp_schema() <> 0 THEN
        RAISE feature_not_supported;
    END IF;
    SET TRANSACTION READ ONLY;
    OPEN statement_plan FOR EXECUTE 'EXPLAIN (FORMAT JSON) ' || l_query;
    FETCH statement_plan INTO explain;
    CLOSE statement_plan;
    RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
    RAISE EXCEPTION 'this statement is not explained (SQLSTATE %)', SQLSTATE USING ERRCODE = SQLSTATE;
END
$function$;
ALTER FUNCTION datadog.explain_statement(text) OWNER TO datadog_explain;
REVOKE ALL ON FUNCTION datadog.explain_statement(text) FROM public;
GRANT EXECUTE ON FUNCTION datadog.explain_statement(text) TO datadog;
