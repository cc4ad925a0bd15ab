"""Displays of what each step did to the data, and verdicts of people on it."""
