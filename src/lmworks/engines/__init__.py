"""Text and likelihoods from a model: sampling, stop strings, byte-safe text, and the batching engine."""
