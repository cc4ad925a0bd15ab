"""Documents: sources, licences, cleaning, splitting, curation, and conversations made from them."""
