"""Erasure: what a store holds of a person or a document, what is taken of it, and what is left afterwards."""
