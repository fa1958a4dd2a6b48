"""The bootstrap of `./creditlab`: creates `.venv` from the locks; standard library only."""
