"""Hold a lexicon of praise and blame, TextBlob's, against a build of recipes/sentiment.yaml: one JSON line.

    python benchmarks/train/sentiment_lexicon.py STORE POSITIVE NEGATIVE

STORE is the `.lmworks` of the build, POSITIVE and NEGATIVE are the two labels of the reviews. Needs `pip install
textblob` and none of the corpora that it can fetch: its default analyser reads a lexicon of its own package (pattern's,
by De Smedt and Daelemans 2012). A text is positive if its polarity is above zero, negative if below; where the lexicon
knows no word of it, it has the label that is commonest among the training texts. Nothing is tuned. Pairs are tested on
equal texts.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from lmworks.data.documents import Documents
from lmworks.evaluate.items import ACCURACY, Evaluation, Item
from lmworks.pipeline.store import Store

TASK = "evaluate/classification-split-test/"


def main() -> None:
    """Score the lexicon on the test part, beside each system of the last build that was scored on it."""
    from textblob.en.sentiments import PatternAnalyzer

    store, (positive, negative) = Store(Path(sys.argv[1])), sys.argv[2:4]
    steps = list(store.builds())[-1]["steps"]
    made = {name: store.find(step["stage"], step["key"]) for name, step in steps.items()}
    split = made.get("split")
    if split is None:
        sys.exit(f"{sys.argv[1]}: split is not built; lmworks build recipes/sentiment.yaml")
    ((commonest, _),) = Counter(
        str(document.meta["label"]) for document in Documents(split.path("train"), "").iterate()
    ).most_common(1)
    analyser, unknown, items = PatternAnalyzer(), 0, list[Item]()
    for document in Documents(split.path("test"), "").iterate():
        polarity = analyser.analyze(document.text)[0]
        unknown += polarity == 0
        said = positive if polarity > 0 else negative if polarity < 0 else commonest
        items.append({"id": document.id, "cluster": document.id, "score": float(said == str(document.meta["label"]))})
    figure = ACCURACY.figure(items, "TextBlob's default analyser")
    beside = {}
    for name, artifact in made.items():
        if name.startswith(TASK) and artifact:
            theirs = Evaluation(artifact.payload, "").items()
            gain = ACCURACY.compare(theirs, items)
            accuracy = ACCURACY.figure(theirs, "as built").value
            beside[name.removeprefix(TASK)] = {
                "accuracy": accuracy, "above the lexicon": [gain.difference, *(gain.interval or ()), gain.p],
            }  # fmt: skip
    found = {"lexicon": [figure.value, *(figure.interval or ())], "n": figure.n, "no word known": unknown}
    print(json.dumps({**found, "beside": beside}))


if __name__ == "__main__":
    main()
