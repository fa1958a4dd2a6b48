"""Modules that every package may use: errors, settings, paths, time, state files."""
