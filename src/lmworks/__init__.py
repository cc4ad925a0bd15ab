"""lmworks: one recipe file from a use case to a served, measured and governed language model."""

__version__ = "0.1.0"
