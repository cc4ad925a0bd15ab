"""Which files reached a model, and which training text an answer is like."""
