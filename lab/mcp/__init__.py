"""`./creditlab mcp`: the lab's evidence as tools of a Model Context Protocol (MCP) server, read-only.

AI agents and scripts query Prometheus, Database Monitoring, traces and PostgreSQL's log through it, each
observer by itself, or follow a trace to its statement and its executed plan, which needs all of them.
"""
