"""Good text from bad: filters, classifiers and labels that may be wrong."""
