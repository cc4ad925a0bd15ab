"""Hold a lexicon of praise and blame, TextBlob's, against a build of recipes/sentiment.yaml: one JSON line.

    python benchmarks/train/sentiment_lexicon.py STORE POSITIVE NEGATIVE

STORE is the `.lmworks` of the build, POSITIVE and NEGATIVE are the two labels of the reviews. Needs `pip install
textblob` and none of the corpora that it can fetch: its default analyser reads a lexicon of its own package (pattern's,
by De Smedt and Daelemans 2012). A text is positive if its polarity is above zero, negative if below; where the lexicon
knows no word of it, it has the label that is commonest among the training texts. Nothing is tuned. Pairs are tested on
equal texts, held-out reviews and posts.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lmworks.data.shards.records import Documents
from lmworks.evaluate.items import ACCURACY, Evaluation, Item
from lmworks.pipeline.store import Store


def main() -> None:
    """Score the lexicon on test part and posts, beside each system of the last build that was scored on them."""
    store, labels = Store(Path(sys.argv[1])), sys.argv[2:4]
    steps = list(store.builds)[-1].steps
    made = {name: store.find(step.stage, step.key) for name, step in steps.items()}
    split, posts = made.get("split"), made.get("posts")
    if split is None or posts is None:
        sys.exit(f"{sys.argv[1]}: split or posts is not built; lmworks build recipes/sentiment.yaml")
    train = Documents(split.path("train"), "").iterate()
    ((commonest, _),) = Counter(str(document.meta["label"]) for document in train).most_common(1)
    found = {}
    for task, texts in (("split-test", split.path("test")), ("posts", posts.payload)):
        told, items = judged(Documents(texts, ""), commonest, *labels)
        theirs = {
            name.rpartition("/")[2]: Evaluation(artifact.payload, "").items()
            for name, artifact in made.items()
            if name.startswith(f"evaluate/classification-{task}/") and artifact
        }
        found[task] = {**told, "beside": compared(items, theirs)}
    print(json.dumps(found))


def judged(documents: Documents, commonest: str, positive: str, negative: str) -> tuple[dict[str, Any], list[Item]]:
    """The lexicon's accuracy, and its items."""
    from textblob.en.sentiments import PatternAnalyzer

    analyser, unknown, items = PatternAnalyzer(), 0, list[Item]()
    for document in documents.iterate():
        polarity = analyser.analyze(document.text)[0]
        unknown += polarity == 0
        said = positive if polarity > 0 else negative if polarity < 0 else commonest
        items.append({"id": document.id, "cluster": document.id, "score": float(said == str(document.meta["label"]))})
    figure = ACCURACY.figure(items, "TextBlob's default analyser")
    return {"lexicon": [figure.value, *(figure.interval or ())], "n": figure.n, "no word known": unknown}, items


def compared(items: list[Item], systems: Mapping[str, list[Item]]) -> dict[str, Any]:
    """Each system's accuracy, and by how much it is above the lexicon, with interval and p."""
    found = {}
    for name, theirs in systems.items():
        gain = ACCURACY.compare(theirs, items)
        above = [gain.difference, *(gain.interval or ()), gain.p]
        found[name] = {"accuracy": ACCURACY.figure(theirs, "as built").value, "above the lexicon": above}
    return found


if __name__ == "__main__":
    main()
