"""Search for settings, laws that predict losses, and comparisons of architectures and mixtures."""
