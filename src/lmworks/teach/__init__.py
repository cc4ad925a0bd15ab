"""Data that models of the recipe make: their answers, and which of these follow rules."""
