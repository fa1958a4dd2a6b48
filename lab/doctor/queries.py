"""The doctor's SQL queries, for PostgreSQL 10 to 17.

They read system catalogs that every role may read. Privileges are queried by role oid, so that a role that
does not exist is a missing row, not an error.
"""

# A value that is set for the connecting role alone does not apply to other roles: the default replaces it.
SETTINGS = """
SELECT name,
       CASE WHEN source IN ('user', 'database user', 'client', 'session')
            THEN boot_val ELSE setting END,
       source,
       context
FROM pg_catalog.pg_settings
WHERE name = ANY (%(names)s)
"""

IDENTITY = """
SELECT pg_catalog.current_setting('server_version_num')::int,
       pg_catalog.current_setting('server_version'),
       current_database(),
       pg_catalog.quote_ident(current_database()),
       current_user,
       pg_catalog.quote_ident(current_user),
       pg_catalog.pg_is_in_recovery()
"""

EXTENSIONS = """
SELECT a.name, a.default_version, e.extversion, n.nspname, pg_catalog.quote_ident(n.nspname)
FROM pg_catalog.pg_available_extensions a
LEFT JOIN pg_catalog.pg_extension e ON e.extname = a.name
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE a.name IN ('pg_stat_statements', 'pg_buffercache')
"""

ROLE = """
SELECT pg_catalog.quote_ident(%(role)s),
       r.oid IS NOT NULL,
       coalesce(r.rolcanlogin, false),
       coalesce(pg_catalog.has_database_privilege(r.oid, d.oid, 'CONNECT'), false),
       coalesce(r.rolconnlimit, -1),
       coalesce(pg_catalog.pg_has_role(r.oid, 'pg_monitor', 'USAGE'), false),
       coalesce(pg_catalog.pg_has_role(r.oid, 'pg_monitor', 'MEMBER'), false),
       coalesce(r.rolsuper, false),
       coalesce(pg_catalog.has_database_privilege(r.oid, d.oid, 'TEMPORARY'), false)
FROM pg_catalog.pg_database d
LEFT JOIN pg_catalog.pg_roles r ON r.rolname = %(role)s
WHERE d.datname = current_database()
"""

# The last row has precedence: database, then role, then role in this database.
ROLE_SETTINGS = """
SELECT pg_catalog.unnest(s.setconfig)
FROM pg_catalog.pg_db_role_setting s
LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
WHERE (s.setrole = 0 OR r.rolname = %(role)s)
  AND (s.setdatabase = 0 OR d.datname = current_database())
ORDER BY (s.setrole <> 0)::int * 2 + (s.setdatabase <> 0)::int
"""

ROLE_SCHEMAS = """
SELECT n.nspname,
       pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE'),
       n.nspname !~ '^pg_' AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'CREATE'),
       pg_catalog.quote_ident(n.nspname)
FROM pg_catalog.pg_namespace n
LEFT JOIN pg_catalog.pg_roles r ON r.rolname = %(role)s
"""

# `{schema}` is the schema of the extension, quoted.
TEXTS = "SELECT count(*), count(query) FROM {schema}.pg_stat_statements"

DATADOG_SCHEMA = "SELECT count(*) > 0 FROM pg_catalog.pg_namespace WHERE nspname = 'datadog'"

# The application's tables: not the server's, an extension's or the Agent's. The largest is first.
TABLES = """
SELECT c.oid,
       pg_catalog.quote_ident(n.nspname)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p')
  AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'datadog')
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend x
      WHERE x.classid = 'pg_catalog.pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')
ORDER BY c.reltuples DESC, c.oid
"""

# A statement on a table, as the application would write it: without the schema where a role's search_path
# contains it. The server builds the text: bytes of a name that cannot be decoded stay as they are.
STATEMENT = """
SELECT coalesce((
    SELECT 'SELECT * FROM '
           || CASE WHEN n.nspname = 'public' OR n.nspname = r.rolname OR EXISTS (
                  SELECT FROM pg_catalog.pg_db_role_setting s
                  LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
                  CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS setting
                  WHERE (s.setdatabase = 0 OR d.datname = current_database())
                    AND setting LIKE 'search_path=%%'
                    AND n.nspname = ANY (pg_catalog.regexp_split_to_array(
                            pg_catalog.replace(pg_catalog.substr(setting, 13), '"', ''), ', *')))
              THEN '' ELSE pg_catalog.quote_ident(n.nspname) || '.' END
           || pg_catalog.quote_ident(c.relname) || ' LIMIT 1'
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
    WHERE c.oid = %(table)s
), 'SELECT 1')"""
EXPLAIN = f"SELECT datadog.explain_statement(({STATEMENT}))"

# Statements that the function must refuse. The SQLSTATE shows that PostgreSQL looked up a prepared statement
# (undefined_pstatement), or read a table during planning and then divided by zero.
EXECUTES = ("SELECT datadog.explain_statement('EXECUTE creditlab_doctor')", "26000")
_READS = "pg_catalog.table_to_xml('pg_catalog.pg_am', true, false, '')::text"
EVALUATES = (
    (
        "SELECT datadog.explain_statement($$SELECT FROM pg_catalog.pg_am"
        f" WHERE oid = (1 / (0 * pg_catalog.length({_READS})))::oid$$)"
    ),
    "22012",
)

# The role that owns the function in the doctor's own fixes.
PLANNER = "SELECT count(*) > 0 FROM pg_catalog.pg_roles WHERE rolname = 'datadog_explain'"

EXPLAIN_FUNCTION = """
SELECT pg_catalog.pg_get_userbyid(p.proowner),
       pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(p.proowner)),
       p.prosecdef,
       p.proretset AND p.prorettype = 'pg_catalog.json'::regtype,
       coalesce(pg_catalog.has_function_privilege(r.oid, p.oid, 'EXECUTE'), false),
       coalesce(o.rolsuper, false),
       p.prosrc LIKE '%%pg_my_temp_schema%%',
       p.proowner
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
LEFT JOIN pg_catalog.pg_roles o ON o.oid = p.proowner
LEFT JOIN pg_catalog.pg_roles r ON r.rolname = %(role)s
WHERE n.nspname = 'datadog'
  AND p.proname = 'explain_statement'
  AND p.proargtypes::text = 'pg_catalog.text'::regtype::oid::text
"""

UNREADABLE = """
SELECT c.oid::regclass::text
FROM pg_catalog.pg_class c
WHERE c.oid = ANY (%(tables)s::oid[])
  AND NOT (pg_catalog.has_table_privilege(%(owner)s::oid, c.oid, 'SELECT')
           AND pg_catalog.has_schema_privilege(%(owner)s::oid, c.relnamespace, 'USAGE'))
ORDER BY c.reltuples DESC, c.oid
"""

OWN_QUERY_ID = """
SELECT query_id IS NOT NULL FROM pg_catalog.pg_stat_activity WHERE pid = pg_backend_pid()
"""

MAY_EXPLAIN = """
SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
       AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'datadog'
  AND p.proname = 'explain_statement'
  AND p.proargtypes::text = 'pg_catalog.text'::regtype::oid::text
"""
