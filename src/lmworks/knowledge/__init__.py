"""Passages of the user's documents: cut, searched by words, cited, and given to a model with a question."""
