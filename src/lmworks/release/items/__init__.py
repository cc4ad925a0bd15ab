"""The items of a task, to look at one by one: what was asked, what each model said, and where two differ."""
