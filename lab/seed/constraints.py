"""Keys and indexes: taken off before a bulk load, put back after it.

What to put back is asked of the catalog, so that the schema stays written in one place. An index built
once, and a foreign key checked once by a join, cost less than both for each row: at scale 1 the whole
seed takes 9 s instead of 18.
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


def take_off(connection: Connection, tables: Sequence[str]) -> list[str]:
    """Drop all foreign keys, primary keys, unique constraints and indexes of the tables.

    To be called within the transaction that also executes what this returns: the statements that put
    them back, in their order.

    Raises:
        DatabaseError: the role does not own the tables, or others depend on a key.
    """
    found = rows(connection, _KEYS_AND_INDEXES, {"tables": list(tables)})
    for drop, *_ in found:
        rows(connection, drop)
    return [create for _, create, *_ in reversed(found)]
