"""Serving: an OpenAI-compatible API and a chat page over the generation engine."""

TIMEOUT_SECONDS = 600.0
"""Most seconds of a request, including waiting. OpenAI's clients wait as long."""
