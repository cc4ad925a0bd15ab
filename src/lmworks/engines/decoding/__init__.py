"""How a decoder writes: batches, attention, sampling, and texts from tokens."""
