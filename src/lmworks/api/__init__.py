"""Functions for notebooks and programs: `from lmworks import open_recipe, open_model, records, evaluate_answers`.

Each calls the same code as the commands, on the same stores, so builds of either are visible in both. A failure is an
`LmworksError` with the words of the command line.
"""

from lmworks.api.evaluation import evaluate_answers
from lmworks.api.model import Model, open_model
from lmworks.api.read import Records
from lmworks.api.recipe import Finished, OpenRecipe, open_recipe, records
from lmworks.api.tables import Fitted, Looked, fit, look

__all__ = [
    "Finished",
    "Fitted",
    "Looked",
    "Model",
    "OpenRecipe",
    "Records",
    "evaluate_answers",
    "fit",
    "look",
    "open_model",
    "open_recipe",
    "records",
]
