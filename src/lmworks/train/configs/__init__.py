"""The fields of a training, a family a file."""
