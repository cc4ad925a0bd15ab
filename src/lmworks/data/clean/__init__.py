"""Cleaning of texts: normalisation and HTML."""
