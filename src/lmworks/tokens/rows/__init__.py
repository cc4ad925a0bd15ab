"""Tokens in packed rows."""
