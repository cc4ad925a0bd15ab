"""Kinds of personal data, and how texts are searched for them and shown without them."""
