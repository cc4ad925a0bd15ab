"""What `lmworks build` says of nineteen further runs whose outcome was written down before: a table and one JSON line.

    python benchmarks/train/verdicts_audit_2.py [--folder FOLDER] [--only RUN ...] [--jobs 2]

As `verdicts_audit.py`, whose runner it is, with other runs over more objectives.
"""

from __future__ import annotations

import random
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from verdicts_audit import Run, main, operations, prose, weather

Records = list[dict[str, Any]]
# Of sentences of `weather` each word is one token.
WORD = {"kind": "wordpiece", "vocab_size": 512}


def code() -> Records:
    """Pieces of Python's own sources."""
    files = Path(sysconfig.get_paths()["stdlib"]).glob("[a-h]*.py")
    pieces = (piece.strip() for file in sorted(files) for piece in file.read_text(encoding="utf-8").split("\n\n\n"))
    return [{"text": piece} for piece in pieces if 300 < len(piece) < 1500]


def cut(records: Records, last: int) -> tuple[Records, Records]:
    """All but the last records, to train on, and these."""
    return records[:-last], records[-last:]


def narrowed(texts: Records) -> Records:
    """Sentences of `weather` with the first eight of each sixteen words alone, none twice."""
    split = [each["text"].split() for each in texts]
    columns = [sorted({words[place] for words in split}) for place in range(len(split[0]))]
    made = {
        " ".join(column[column.index(word) % 8] for word, column in zip(words, columns, strict=True)): None
        for words in split
    }
    return [{"text": text} for text in made]


def places(count: int) -> Records:
    """A sentence, and who and where of it."""
    split = [(each["text"], each["text"].split()) for each in weather(count)]
    return [{"source": text, "target": f"{words[1]} {words[8]}"} for text, words in split]


def rare() -> Records:
    """Sentences on operations, one in sixteen on deleting."""
    parts: tuple[Records, Records] = ([], [])
    for name, text in operations():
        deleting = name.split()[0] == "Delete"
        parts[deleting].append({"text": text, "label": "delete" if deleting else "other"})
    made = parts[1][: len(parts[0]) // 15] + parts[0][: 15 * len(parts[1])]
    random.Random(13).shuffle(made)
    return made


def kinds(noise: float) -> Records:
    """Sentences on operations with three labels, after the first word, some exchanged for a drawn one."""
    draw = random.Random(14)
    labels = ("Describe", "Associate", "Start")
    named = [(name.split()[0], text) for name, text in operations() if name.split()[0] in labels]
    draw.shuffle(named)
    return [{"text": text, "label": draw.choice(labels) if draw.random() < noise else name} for name, text in named]


def drawn_spans(count: int) -> Records:
    """Sentences of `weather` of which any two words are marked, with any label."""
    draw = random.Random(15)
    made = []
    for each in weather(count):
        words = each["text"].split()
        spans = []
        for number in sorted(draw.sample(range(len(words)), 2)):
            start = len(" ".join(words[:number])) + (number > 0)
            label = draw.choice(("person", "firm", "town"))
            spans.append({"start": start, "end": start + len(words[number]), "label": label})
        made.append({"text": each["text"], "spans": spans})
    return made


def asked(count: int) -> Records:
    """Questions after operations, each with its answer."""
    found: dict[str, str] = {}
    for name, sentence in operations():
        found.setdefault(f"What is {name} for?", sentence)
    return [{"question": question, "answer": answer} for question, answer in list(found.items())[-count:]]


def judged(count: int) -> Records:
    """An answer to each question, called good or bad as a coin falls."""
    draw = random.Random(16)
    made = [(each["question"], each["answer"]) for each in asked(count)]
    return [{"prompt": question, "completion": answer, "label": draw.random() < 0.5} for question, answer in made]


def chosen(count: int) -> Records:
    """To each question its answer, and a worse one: the answer to another."""
    made = asked(count)
    return [
        {"prompt": each["question"], "chosen": each["answer"], "rejected": other["answer"]}
        for each, other in zip(made, made[1:] + made[:1], strict=True)
    ]


def runs() -> Iterator[Run]:
    """Nineteen runs. What is true of each was written before any verdict was read."""
    (train, held), sentences = prose(), weather(9000)
    lm = {"objective": "causal-lm"}
    encoder = {"objective": "masked-lm", "steps": 60}
    sorting = {"objective": "sequence-classification", "sequence_length": 64, "learning_rate": 0.002}
    small = {"objective": "text-to-text", "hidden_size": 64, "num_layers": 1, "num_heads": 2, "sequence_length": 64}
    reader = {"objective": "causal-lm", "sequence_length": 256, "steps": 80}
    judging = {"sequence_length": 256, "global_batch_tokens": 4096, "validation_steps": 5}
    policy = {"objective": "grpo", "sequence_length": 64, "answer_tokens": 16, "group_size": 8, "learning_rate": 0.001}
    policy |= {"global_batch_tokens": 4096, "micro_batch_rows": 64, "validation_steps": 5, "validation_rows": 32}

    yield Run(
        "lm-late",
        lm | {"optimizer": "adamw", "learning_rate": 3.0, "warmup_steps": 120, "schedule": "constant", "steps": 120},
        train,
        held,
        {"diverged"},
        "the rate climbs to 3 with every step: from the middle on the loss only rises, far above its beginning",
        "underfit, fine, overfit",
    )
    yield Run(
        "lm-relapse",
        lm | {"optimizer": "adamw", "learning_rate": 0.3, "schedule": "constant", "steps": 110},
        train,
        held,
        {"diverged"},
        "a constant rate far too high: the loss leaps, comes back a part of the way, falls to the last, and ends "
        "above that of the beginning",
        "underfit: more steps; fine",
    )
    yield Run(
        "lm-spike",
        lm | {"optimizer": "adamw", "learning_rate": 0.15, "warmup_steps": 60, "schedule": "cosine", "steps": 250},
        *cut(sentences, 500),
        {"fine"},
        "one leap of the loss half-way through the warm-up, which is made good; it ends at 1.282 where six of 16 "
        "words leave 1.280",
        "diverged, learned nothing",
        tokenizer=WORD,
    )
    yield Run(
        "lora-fine",
        lm | {"adapter": {"rank": 16}, "learning_rate": 0.01, "steps": 110},
        *cut(narrowed(sentences), 500),
        {"fine"},
        "LoRA on a base that read the same form with twice the words: it ends at 0.962 where 0.960 is least, and "
        "has not read a text twice",
        "learned nothing, by heart, overfit",
        tokenizer=WORD,
        base=lm | {"steps": 100},
        before=weather(3000),
    )
    yield Run(
        "sort-rare",
        sorting | {"steps": 160},
        *cut(rare(), 400),
        {"fine"},
        "one text in sixteen is on deleting, as its first word says: 98.5 % right, the commonest label 93",
        "at chance, overfit",
        "label",
        base=encoder,
    )
    yield Run(
        "s2s-fine",
        small | {"steps": 150},
        *cut(places(3400), 400),
        {"fine"},
        "two words of a sentence are to be copied: every one right in new sentences, since the second third",
        "underfit, learned nothing, overfit",
        "pairs",
        tokenizer=WORD,
    )
    answers, pairs = asked(1800), chosen(400)
    yield Run(
        "grpo-fine",
        policy | {"rewards": [{"kind": "length", "least": 1, "most": 5}], "steps": 30},
        *cut(answers, 300),
        {"fine"},
        "short answers are paid for: from a quarter of the answers to all of them, on new prompts, too",
        "learned nothing, at chance, diverged",
        "conversations",
        base=reader,
    )
    yield Run(
        "span-dead",
        small | {"objective": "span-corruption", "optimizer": "adamw", "learning_rate": 1e-7, "steps": 60},
        train[:400],
        held,
        {"no better"},
        "at 1e-7 no weight moves in 60 steps",
        "fine, underfit by more steps",
    )
    yield Run(
        "tag-drawn",
        {"objective": "token-classification", "learning_rate": 0.002, "steps": 110},
        *cut(drawn_spans(2400), 400),
        {"no better"},
        "which two words of twelve are marked, and as what, was drawn: a loss as that of counting labels",
        "fine, underfit",
        "spans",
        tokenizer=WORD,
        base=encoder,
    )
    yield Run(
        "kto-drawn",
        judging | {"objective": "kto", "learning_rate": 2e-5, "steps": 30},
        *cut(judged(1200), 200),
        {"no better"},
        "good or bad as a coin falls: a coin on new answers",
        "fine, underfit, leaking",
        "preferences",
        base=reader,
    )
    yield Run(
        "grpo-never",
        policy | {"rewards": [{"kind": "regex", "pattern": "Nobody says this[.] [0-9]{12}"}], "steps": 12},
        *cut(answers, 300),
        {"no better", "refused"},
        "nothing that can be said is paid for",
        "fine, underfit",
        "conversations",
        base=reader,
    )
    right, muddled = kinds(0.0), kinds(0.6)
    yield Run(
        "sort-starved",
        sorting | {"learning_rate": 0.0005, "steps": 6, "validation_steps": 1},
        *cut(right, 300),
        {"underfit"},
        "six steps, a quarter of a pass, still falling, and worse than the commonest label",
        "learned nothing as a judgement on the data, fine, overfit",
        "label",
        base=encoder,
    )
    yield Run(
        "dpo-copied",
        judging | {"objective": "dpo", "learning_rate": 2e-4, "steps": 20},
        pairs[:300],
        pairs[300:] + pairs[:40],
        {"none"},
        "40 of 140 validation pairs are trained on",
        "fine, underfit",
        "preferences",
        base=reader,
    )
    yield Run(
        "sft-heart",
        {"objective": "sft", "sequence_length": 256, "steps": 80, "validation_steps": 8},
        answers[:40],
        answers[1500:],
        {"overfit"},
        "40 answers, learned over and over: what is new is told worse and worse",
        "fine, underfit",
        "conversations",
        base=reader,
        before=train,
    )
    yield Run(
        "sort-few",
        sorting | {"steps": 70, "dropout": 0.0},
        muddled[:60],
        muddled[-300:],
        {"overfit"},
        "60 texts, over half of their labels drawn, read over and over",
        "fine, underfit, at chance as a judgement on the data",
        "label",
        base=encoder,
        before=train,
    )
    yield Run(
        "mlm-narrow",
        {
            "objective": "masked-lm",
            "hidden_size": 16,
            "num_layers": 1,
            "num_heads": 1,
            "adamw_learning_rate": 0.01,
            "steps": 150,
        },
        train,
        held,
        {"underfit"},
        "sixteen numbers a token: the loss is little below that of counting tokens",
        "fine, overfit, learned nothing",
    )
    yield Run(
        "s2s-steep",
        small | {"steps": 110, "learning_rate": 0.001, "adamw_learning_rate": 0.0015, "schedule": "constant"},
        *cut(places(3400), 400),
        {"underfit"},
        "the task of s2s-fine at a twentieth of its rates: the loss falls steeply to the last step",
        "fine, overfit, learned nothing",
        "pairs",
        tokenizer=WORD,
    )
    yield Run(
        "sort-handful",
        sorting | {"steps": 110},
        right[:-300],
        right[-5:],
        {"none"},
        "five validation texts tell nothing",
        "fine, overfit, underfit",
        "label",
        base=encoder,
    )
    yield Run(
        "lm-foreign",
        lm | {"steps": 110},
        [{"text": text} for _, text in operations()],
        code(),
        {"other kind", "overfit", "no better"},
        "it reads English, and is asked for Python: what it learns does not hold there, and none was read twice",
        "fine, underfit by more steps, by heart",
    )


if __name__ == "__main__":
    main(runs, __doc__)
