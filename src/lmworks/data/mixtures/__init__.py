"""Data by weights: mixtures, and samples that represent a population."""
