"""Decoders, encoders, encoder-decoders and adapters as models that are trained."""
