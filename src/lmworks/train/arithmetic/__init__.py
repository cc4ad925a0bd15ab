"""Losses, packed attention and recomputation: the arithmetic of a step."""
