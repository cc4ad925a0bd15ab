"""Data to tune on: conversations, preferences, pairs, spans and what people judged."""
