"""Functions for notebooks and programs: `from lmworks import open_recipe, open_model, records, evaluate_answers`.

They call the same code as the commands and use the same stores, so each sees the builds of the other. A failure raises
an `LmworksError` with the message that the command line prints.
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
