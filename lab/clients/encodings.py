"""Lenient codecs for psycopg2: text of any database encoding is decoded, undecodable bytes as U+FFFD.

PostgreSQL's statistics show every session's text in the bytes of that session's own database, and an
SQL_ASCII database holds any bytes. With a strict codec one such text fails the whole result set.
"""

import codecs
import re
from collections.abc import Mapping, MutableMapping

_PREFIX = "creditlab_lenient_"
# PostgreSQL sends a database's bytes unconverted to a client of this encoding.
RAW = "SQL_ASCII"
# In psycopg2's spelling. Not changed: psycopg2 decodes UTF8 in C, which the services rely on.
_UNCHANGED = frozenset({"UTF8", "UNICODE"})
# Database encodings for which the raw client encoding is right: its bytes are decoded as UTF-8.
_DECODED_AS_UTF8 = frozenset({"SQL_ASCII", "UTF8"})


def make_lenient(codec_of: MutableMapping[str, str]) -> None:
    r"""Replace the Python codecs of PostgreSQL's encodings, all but UTF8's, by lenient ones.

    Args:
        codec_of: `psycopg2.extensions.encodings`, which psycopg2 reads when a connection is opened.

    >>> make_lenient(table := {"SQLASCII": "ascii", "EUCJP": "euc_jp"})
    >>> codecs.decode(b"situa\xe7\xe3o", table["SQLASCII"])
    'situa��o'
    """
    codecs.register(_find)
    for encoding, codec in codec_of.items():
        if codec.startswith(_PREFIX) or encoding in _UNCHANGED:
            continue
        decoder = "utf_8" if codec == "ascii" else codec
        codec_of[encoding] = _PREFIX + decoder


def needs_own_codec(server_encoding: str, codec_of: Mapping[str, str]) -> bool:
    """Whether a connection must set this client encoding for its text to be decoded correctly.

    An encoding that Python does not know stays raw: its bytes beyond ASCII become U+FFFD.

    >>> [needs_own_codec(e, {"LATIN1": "iso8859_1"}) for e in ("UTF8", "SQL_ASCII", "LATIN1", "EUC_TW")]
    [False, False, True, False]
    """
    known = re.sub("[^A-Za-z0-9]", "", server_encoding).upper() in codec_of
    return known and server_encoding not in _DECODED_AS_UTF8


def _find(name: str) -> codecs.CodecInfo | None:
    if not name.startswith(_PREFIX):
        return None
    codec = codecs.lookup(name.removeprefix(_PREFIX))
    return codecs.CodecInfo(
        name=name,
        encode=lambda text, _="strict": codec.encode(text, "replace"),
        decode=lambda text, _="strict": codec.decode(text, "replace"),
    )
