"""Models that learn in seconds: what a larger one must beat, and what is shipped where it does not."""
