"""Contents of recipes as data. The reference, the JSON Schema and `lmworks explain` are made from it."""
