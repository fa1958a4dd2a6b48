-- The roles: privileges, time limits and connection limits. Safe to run again: passwords and
-- limits then follow the environment and this file. Read by psql 15, from the official image's initdb
-- directory or from ./creditlab up; passwords come from the environment, else the documented lab defaults.
--
-- The connection limits add up to 95, below max_connections (100) minus the superuser's 3: no role can
-- take the last session from another, so an observer still connects while the application is at its limit.

-- A password must not reach the log, also when a statement here is slow or fails.
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';

\set owner_password ''
\set app_password ''
\set datadog_password ''
\set exporter_password ''
\set lab_password ''
\getenv owner_password CREDIT_OWNER_PASSWORD
\getenv app_password CREDIT_APP_PASSWORD
\getenv datadog_password DATADOG_DB_PASSWORD
\getenv exporter_password EXPORTER_DB_PASSWORD
\getenv lab_password LAB_DB_PASSWORD

CREATE TEMPORARY TABLE lab_role (name text PRIMARY KEY, password text, sessions int);
INSERT INTO lab_role VALUES
    -- DDL and the seed, a few at a time.
    ('credit_owner',      coalesce(nullif(:'owner_password', ''),    'CreditOwner!Passw0rd'), 5),
    -- Five services with their pools, and room for a load benchmark.
    ('credit_app',        coalesce(nullif(:'app_password', ''),      'CreditApp!Passw0rd'),   60),
    -- The Agent holds three to five sessions (metrics, samples, metadata); the rest is for a second Agent.
    ('datadog',           coalesce(nullif(:'datadog_password', ''),  'Datadog!Passw0rd'),     10),
    -- One scrape is one session; stalled scrapes end by statement_timeout before there are five.
    ('postgres_exporter', coalesce(nullif(:'exporter_password', ''), 'Exporter!Passw0rd'),    5),
    -- Drills, verification and the console.
    ('lab',               coalesce(nullif(:'lab_password', ''),      'CreditLab!Passw0rd'),   15);

SELECT format('CREATE ROLE %I', name)
FROM lab_role
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

SELECT format(
    'ALTER ROLE %I LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS'
    ' CONNECTION LIMIT %s PASSWORD %L', name, sessions, password)
FROM lab_role
\gexec

DROP TABLE lab_role;

-- credit_owner: no time limit for the seed and index builds, but DDL must not queue behind a long
-- query and stop every service that queues behind it.
ALTER ROLE credit_owner SET statement_timeout = 0;
ALTER ROLE credit_owner SET lock_timeout = '10s';

-- credit_app: a statement that exceeds statement_timeout is canceled, and a wait for a lock ends
-- earlier than that, so that the error shows the cause.
ALTER ROLE credit_app SET statement_timeout = '30s';
ALTER ROLE credit_app SET lock_timeout = '10s';
-- A service that hangs inside a transaction holds locks and the vacuum horizon: a minute is enough.
ALTER ROLE credit_app SET idle_in_transaction_session_timeout = '60s';

-- datadog: the Agent's own default query_timeout is 5 s; the explain of a table that is locked for DDL
-- times out after one.
ALTER ROLE datadog SET statement_timeout = '5s';
ALTER ROLE datadog SET lock_timeout = '1s';

-- postgres_exporter: below the scrape interval of 10 s. pg_table_size waits behind ACCESS EXCLUSIVE,
-- and without these every scrape would leave one more session waiting.
ALTER ROLE postgres_exporter SET statement_timeout = '8s';
ALTER ROLE postgres_exporter SET lock_timeout = '2s';

-- lab: `verify` at a large scale is slow, and drills wait for locks deliberately; both are limited.
ALTER ROLE lab SET statement_timeout = '10min';
ALTER ROLE lab SET lock_timeout = 0;

-- The observers and the lab read all sessions and statistics. The lab has no privilege to end other
-- roles' sessions: a role may end its own, and a drill starts only sessions of its own.
GRANT pg_monitor TO datadog, postgres_exporter, lab;

RESET log_statement;
RESET log_min_duration_statement;
RESET log_min_error_statement;
