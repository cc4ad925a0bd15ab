"""Serving: an OpenAI-compatible API and a chat page over the generation engine."""
