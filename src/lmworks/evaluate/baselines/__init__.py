"""What a model must beat: methods that learn little or nothing, and cost seconds."""
