"""Training data made by the recipe's models: their answers, and judgements of these answers by rules."""
