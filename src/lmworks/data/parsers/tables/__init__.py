"""Forms of files whose records are rows with fields."""
