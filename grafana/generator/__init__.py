"""Generates grafana/dashboards/*.json: dashboards as code, with the same colours, units and links.

Grafana reads the JSON, and the JSON is reviewed; this package only writes it.
`python -m grafana.generator` writes the files; a test compares them with its output.
"""
