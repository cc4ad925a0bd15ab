"""Serving: an OpenAI-compatible API and a chat page over the generation engine."""

TIMEOUT_SECONDS = 600.0
"""Time limit of a request in seconds, including waiting. OpenAI's clients have the same limit."""
