"""Cleaning of texts: normalisation, HTML, and the classic steps."""
