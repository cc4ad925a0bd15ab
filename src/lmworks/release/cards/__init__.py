"""Cards of models and data, for people and for machines."""
