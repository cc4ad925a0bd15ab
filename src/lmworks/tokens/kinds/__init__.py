"""Kinds of tokenizers."""
