"""Display of a training run, in a terminal or on a page."""
