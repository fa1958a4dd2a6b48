"""What `./creditlab` does before the lab runs: makes `.venv` from the locks; standard library only."""
