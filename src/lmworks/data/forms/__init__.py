"""Conversion of records in published forms."""
