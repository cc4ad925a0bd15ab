"""Checks before a training."""
