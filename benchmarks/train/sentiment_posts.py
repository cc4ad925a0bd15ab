"""Write tweets that people have rated as the posts that recipes/sentiment.yaml reads: one JSON line tells how many.

    python benchmarks/train/sentiment_posts.py tweets_GroundTruth.txt posts/tweets.jsonl

The file is of Hutto and Gilbert 2014 (VADER, ICWSM), in `additional_resources/hutto_ICWSM_2014.tar.gz` of the
repository vaderSentiment (MIT): 4,200 tweets, each rated from −4 to 4 by 20 people. One whose mean is within 0.5 of
zero is neither praise nor blame and left out; of the others 500 of praise and 500 of blame are drawn. Labels are 1 and
0, as in sentence-polarity.
"""

from __future__ import annotations

import html
import json
import random
import sys
from collections import Counter
from pathlib import Path

NEITHER, OF_EACH = 0.5, 500


def main() -> None:
    """Draw them, and write them."""
    source, target = map(Path, sys.argv[1:3])
    rated = [line.split("\t", 2) for line in source.read_text(encoding="utf-8", errors="replace").splitlines()]
    clear = [(html.unescape(text), int(float(mean) > 0)) for _, mean, text in rated if abs(float(mean)) >= NEITHER]
    draw = random.Random(0)
    drawn = [each for label in (1, 0) for each in draw.sample([one for one in clear if one[1] == label], OF_EACH)]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in drawn))
    print(json.dumps({"rated": len(rated), "clear": len(clear), "drawn": Counter(label for _, label in drawn)}))


if __name__ == "__main__":
    main()
