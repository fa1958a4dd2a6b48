"""Limits of requests: above the payloads of real senders, and small compared with the available memory.

An Agent's payloads have at most 3.2 MB of traces or 20 MB of DBM events; ddtrace's buffer has 20 MB.
"""

MAX_BODY_BYTES = 24 << 20
# Of all concurrent bodies, decompressed, including their decompressors.
MAX_BYTES_IN_FLIGHT = 32 << 20
MAX_BODIES = 32
BODY_TIMEOUT_S = 30.0
# Maximum time between two pieces of a body.
PIECE_TIMEOUT_S = 5.0

# Of one payload; the console stores some 15,000 spans per second.
MAX_RECORDS = 20_000
# This number of blocking pids or tags uses as much memory as one record. A span of the lab has some 20 tags.
PARTS_LIKE_A_RECORD = 32
MAX_CHUNKS = 20_000
MAX_SPANS = 50_000
MAX_STRINGS = 500_000
MAX_EVENTS = 5_000
MAX_ROWS = 20_000
MAX_PIDS = 1_000
# Commas of a JSON body, and fields of a protobuf message: decoders build the whole list before they check its
# length. 20 MB of DBM rows have some 1.2 million commas.
MAX_ELEMENTS = 1_500_000
MAX_FIELDS = 500_000
# Of one span, and comments of one statement.
MAX_TAGS = 1_000
MAX_SPAN_BYTES = 1 << 20
# Of settings and tables, whose shape is not declared.
MAX_VALUES = 200_000
# Larger bodies are decoded one at a time: decoded, they are some twenty times as large.
LARGE_BODY_BYTES = 2 << 20
