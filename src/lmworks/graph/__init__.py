"""A recipe as a graph: the kinds that it can name, and the nodes that it is built of."""

from lmworks.graph.build import make_nodes
from lmworks.graph.evaluation import Learned, tuning
from lmworks.graph.kinds import CLASSES, MADE, STEPS, step_of
from lmworks.graph.nodes import inputs_of, model_nodes, node

__all__ = ["CLASSES", "MADE", "STEPS", "Learned", "inputs_of", "make_nodes", "model_nodes", "node", "step_of", "tuning"]
