"""Results of a finished build: report, cards, traces, and the served model."""
