"""Baselines that a model must beat: methods that learn little or nothing, and take seconds."""
