"""Settings that are searched, laws that predict, architectures and mixtures that are compared."""
