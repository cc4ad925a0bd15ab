"""Mixtures of data by weights."""
