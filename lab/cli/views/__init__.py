"""What commands print: one module renders one kind of object, and decides nothing."""
