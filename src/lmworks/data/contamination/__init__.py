"""Test texts in training data: found, and taken out."""
