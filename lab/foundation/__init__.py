"""What every other package may use: errors, settings, paths, time, state files. Asks no component."""
