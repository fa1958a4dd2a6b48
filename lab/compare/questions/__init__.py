"""The questions of a comparison, by group; each module yields its own."""
