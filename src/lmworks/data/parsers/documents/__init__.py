"""Forms of files that are one text each, or several."""
