"""Passages of the user's documents: cut, found by their words, cited, and put before a model with a question."""
