"""Models that learn in seconds. A larger model must beat them. Otherwise, serve one of them."""
