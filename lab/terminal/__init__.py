"""The terminal: output, progress and options that all commands share."""
