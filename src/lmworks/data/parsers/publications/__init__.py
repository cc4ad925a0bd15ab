"""Forms in which archives and dumps are published."""
