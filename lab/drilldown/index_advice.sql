-- name: hypopg
-- Whether HypoPG is in this database, and whether the role may call it.
SELECT to_regprocedure('hypopg.hypopg_create_index(text)') IS NOT NULL,
       coalesce(has_function_privilege(to_regprocedure('hypopg.hypopg_create_index(text)'), 'EXECUTE'), false);

-- name: text
-- The text of a statement of the application with its parameters as $1, $2, and so on.
SELECT s.query
FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
WHERE s.queryid = ANY(%(queryids)s) AND r.rolname = %(role)s
ORDER BY s.calls DESC
LIMIT 1;

-- name: definition
-- CREATE INDEX with the names quoted where they must be.
SELECT 'CREATE INDEX ON ' || quote_ident(%s) || '.' || quote_ident(%s) || ' ('
    || (SELECT string_agg(quote_ident(name), ', ' ORDER BY place)
        FROM unnest(%s::text[]) WITH ORDINALITY AS columns (name, place)) || ')';
