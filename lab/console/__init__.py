"""The lab's own server on :8088: the intake, the log reader, the store's writer, and what they count."""
