"""The terminal output of commands: one module renders one kind of object, without decisions."""
