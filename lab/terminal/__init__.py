"""The terminal: what is shown and typed, the same in every command; the packages above render with it."""
