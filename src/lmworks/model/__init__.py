"""Models: their computation, size and memory, and their folders on disk."""
