"""What a notebook or a program imports: `from lmworks import open_recipe, open_model, records, evaluate_answers`.

Each calls what the commands call, on the same stores: what was built here is there, and the other way round. What goes
wrong is an `LmworksError` with the words of the command line.
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
