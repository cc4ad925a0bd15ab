"""What a recipe can say, as data: the reference, the JSON Schema and `lmworks explain` are made of it."""
