"""Lock descriptions in PostgreSQL's log, such as `ShareLock on transaction 766`."""

import re

# After DescribeLockTag in PostgreSQL's source. Numbers are oids, transactions and places in a table.
LOCK = (
    r"[A-Za-z]{1,40} on (?:"
    r"(?:extension of |page [0-9]{1,10} of |tuple \([0-9]{1,10},[0-9]{1,10}\) of )?"
    r"relation [0-9]{1,10} of database [0-9]{1,10}"
    r"|(?:remote |speculative token [0-9]{1,10} of )?transaction [0-9]{1,20}"
    r"(?: of subscription [0-9]{1,10} of database [0-9]{1,10})?"
    r"|virtual transaction [0-9]{1,10}/[0-9]{1,10}"
    r"|pg_database\.datfrozenxid of database [0-9]{1,10}"
    r"|object [0-9]{1,10} of class [0-9]{1,10} of database [0-9]{1,10}(?: of subscription)?"
    r"|(?:user|advisory) lock \[[0-9]{1,10}(?:,[0-9]{1,10}){2,3}\])"
)
# An application chooses these numbers.
CHOSEN = re.compile(r" \[[^\[\]]*+\]")


def plain_lock(lock: str) -> str:
    """Return a description that matches LOCK, without the key of an advisory lock."""
    return CHOSEN.sub("", lock)
