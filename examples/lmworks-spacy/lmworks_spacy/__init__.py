"""Lemmas and entities by spaCy, as steps of lmworks."""
