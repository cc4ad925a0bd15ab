"""What a finished build shows: report, cards, traces, and the served model."""
