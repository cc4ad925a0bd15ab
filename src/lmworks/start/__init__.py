"""From a folder of somebody's files to a recipe: what lies there, what only people know, and what that asks for."""
