"""How good a model is, and how sure that is: tasks, metrics, baselines, statistics and paired comparison."""
