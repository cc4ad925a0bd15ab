"""Trainable decoders, encoders, encoder-decoders and adapters."""
