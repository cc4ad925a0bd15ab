"""Serving: an OpenAI-compatible API and a chat page over the generation engine."""

TIMEOUT_SECONDS = 600.0
"""Of a request, waiting and answer together: OpenAI's clients wait as long."""
