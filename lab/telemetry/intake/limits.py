"""How much of anything a request may hold: generous to real senders, and small against the memory there is.

An Agent's payloads have at most 3.2 MB of traces or 20 MB of DBM events; ddtrace's buffer has 20 MB.
"""

MAX_BODY_BYTES = 24 << 20
# Of all bodies that are read or decoded at one moment, decompressed, their decompressors included.
MAX_BYTES_IN_FLIGHT = 32 << 20
MAX_BODIES = 32
BODY_TIMEOUT_S = 30.0
# Within which a further piece of a body must arrive.
PIECE_TIMEOUT_S = 5.0

# Of one payload; a console stores some 15,000 spans a second.
MAX_RECORDS = 20_000
# So many blocking pids or tags take the memory of one more record. A span of the lab has some 20 tags.
PARTS_LIKE_A_RECORD = 32
MAX_CHUNKS = 20_000
MAX_SPANS = 50_000
MAX_STRINGS = 500_000
MAX_EVENTS = 5_000
MAX_ROWS = 20_000
MAX_PIDS = 1_000
# Commas of a JSON body, and fields of a protobuf message: decoders build a list whole before they check its
# length. 20 MB of DBM rows have some 1.2 million commas.
MAX_ELEMENTS = 1_500_000
MAX_FIELDS = 500_000
# Of one span, and comments of one statement.
MAX_TAGS = 1_000
MAX_SPAN_BYTES = 1 << 20
# Of settings and tables, whose shape is not declared.
MAX_VALUES = 200_000
# Bodies beyond it are decoded one at a time: what they are built up to is some twenty times as large.
LARGE_BODY_BYTES = 2 << 20
