"""Wordings of questions about operations, to train on or held out, and answers to questions off the topic."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files

Wordings = Mapping[str, Sequence[str]]
"""Wordings by use: `trained` or `held out`."""

_FOUND: Mapping[str, Wordings] = json.loads((files(__package__) / "phrasings.json").read_text(encoding="utf-8"))
DOCUMENT, EXPLAIN, FIND = _FOUND["document"], _FOUND["explain"], _FOUND["find"]
GREETINGS, OFF_TOPIC = _FOUND["greetings"], _FOUND["off_topic"]
OPENINGS = _FOUND["openings"]
"""Phrases before a question that is off the topic."""

PURPOSE = (
    "I write documentation for the operations of cloud services. Give me a service, an operation and its parameters, "
    "or ask what an operation does."
)
GREETING_ANSWER = f"Hello! {PURPOSE}"
OFF_TOPIC_ANSWER = f"I cannot help with that. {PURPOSE}"
