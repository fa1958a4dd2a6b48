"""The lab's own server on :8088: pages, APIs, the intake, the log reader, the store's writer, and metrics."""
