"""Recipe fields of a training, with one file per model family."""
