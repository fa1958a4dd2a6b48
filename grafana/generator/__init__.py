"""Makes grafana/dashboards/*.json: the dashboards as code, so that colours, units and links agree.

Called generator because the JSON is what Grafana reads and what is reviewed; this only writes it.
`python -m grafana.generator` writes the files, and a test holds them against what it would write.
"""
