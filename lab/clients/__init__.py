"""Clients of the running components: PostgreSQL, Prometheus, the services."""
