"""Telemetry that the lab receives: collected, decoded, redacted and stored."""
