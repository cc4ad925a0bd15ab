"""Equal, nearly equal and alike documents, and passages that many documents share."""
