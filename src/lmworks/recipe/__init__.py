"""The recipe: its schema, its file, variants of steps, and the YAML they are read from."""
