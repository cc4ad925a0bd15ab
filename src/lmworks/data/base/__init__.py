"""Texts and records as all rooms above read them: words, letters, fields and their structure, and ids."""
