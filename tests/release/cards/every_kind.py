"""One recipe with a model of every kind that has a card of its own, each trained for moments."""

from __future__ import annotations

import json
from pathlib import Path

from published import write_published
from readers import write_reader, write_rewriter

SMALL = (
    "sequence_length: 128, global_batch_tokens: 256, micro_batch_rows: 2, steps: 2, data_type: float32, threads: 1, "
    "compile: false"
)
SHAPE = "hidden_size: 32, num_layers: 2, num_heads: 2"
RECIPE = f"""\
name: kinds
use_case: showing a card of every kind
plan: {{measure: false}}
data:
  raw:
    kind: ingest
    sources: [{{kind: files, path: notes, licence: MIT, keep: [label, spans, source, target]}}]
    licences: {{allow: [MIT]}}
  split: {{kind: split, from: raw, by: id, test: 12, validation: 4}}
  paired: {{kind: pairs, from: split.train}}
  turns:
    kind: ingest
    sources: [{{kind: files, path: turns, licence: MIT, fields: all}}]
    licences: {{allow: [MIT]}}
  chats: {{kind: conversations, from: turns}}
  judged:
    kind: ingest
    sources: [{{kind: files, path: judged, licence: MIT, fields: all}}]
    licences: {{allow: [MIT]}}
  better: {{kind: preferences, from: judged}}
tokenizer: {{kind: bpe, vocab_size: 300, from: split.train}}
models:
  pretrain: {{objective: causal-lm, from: scratch, data: split.train, {SHAPE}, {SMALL}}}
  chatting: {{objective: sft, from: pretrain, data: chats, {SMALL}}}
  base: {{objective: pretrained, path: org/llama, licence: Apache-2.0}}
  gpt2: {{objective: pretrained, path: gpt2, licence: MIT}}
  tuned: {{objective: sft, from: base, tokenizer: base, data: chats, {SMALL}}}
  adapted: {{objective: sft, from: base, tokenizer: base, data: chats, adapter: {{kind: lora}}, {SMALL}}}
  reward: {{objective: reward, from: chatting, data: better, learning_rate: 0.001, {SMALL}}}
  taken-sorter: {{objective: pretrained, path: bert, licence: MIT}}
  taken-tagger: {{objective: pretrained, path: tagger, licence: MIT}}
  encoder: {{objective: masked-lm, from: scratch, data: split.train, {SHAPE}, {SMALL}}}
  sorter: {{objective: sequence-classification, from: encoder, data: split.train, label: label, {SMALL}}}
  decoding-sorter:
    {{objective: sequence-classification, from: base, tokenizer: base, data: split.train, label: label, {SMALL}}}
  tagger: {{objective: token-classification, from: encoder, data: split.train, label: spans, {SMALL}}}
  translate: {{objective: text-to-text, from: scratch, data: paired, {SHAPE}, {SMALL}}}
  t5: {{objective: pretrained, path: t5, licence: MIT}}
  words: {{objective: bag-of-words, data: split.train, label: label}}
  named: {{objective: dictionary, data: split.train, label: spans}}
evaluate:
  models: [pretrain, base, tuned]
  tasks:
    - {{kind: perplexity, data: split.test, train: split.train}}
serve: {{model: chatting}}
"""
TOPICS = ("bread", "rain", "trains", "glass", "music", "tides", "wool", "salt")


def make_project(folder: Path) -> Path:
    """The recipe and all that it reads; returns the folder."""
    notes = [
        {
            "text": f"Note {number} is of {TOPICS[number % 8]}: we saw it beside house {number * 37 % 101}.",
            "label": TOPICS[number % 4],
            "spans": [{"start": 0, "end": 4, "label": "kind"}],
            "source": f"{TOPICS[number % 8]}[house[{number}]]",
            "target": f"It is {TOPICS[number % 8]} in house {number}.",
        }
        for number in range(64)
    ]
    turns = [{"prompt": f"What of {TOPICS[n % 8]} {n}?", "completion": f"It was {n}."} for n in range(24)]
    judged = [{"prompt": f"{TOPICS[n % 8]} {n}?", "chosen": f"On {n}.", "rejected": "No."} for n in range(24)]
    for name, lines in (("notes", notes), ("turns", turns), ("judged", judged)):
        (folder / name).mkdir(parents=True)
        (folder / name / "lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_published(folder / "org" / "llama", "Llama, tied")
    hub = {"endpoint": "https://hub.example", "name": "org/llama-tiny", "revision": "c" * 40, "licence": "apache-2.0"}
    (folder / "org" / "llama" / "lmworks-source.json").write_text(json.dumps({**hub, "files": {}}))
    write_published(folder / "gpt2", "GPT-2")
    write_reader(folder / "bert", "sequence classifier")
    write_reader(folder / "tagger", "token classifier")
    write_rewriter(folder / "t5")
    for name in ("bert", "tagger", "t5"):  # their tokenizers are of bytes, which `transformers` does not guess
        settings = {"tokenizer_class": "PreTrainedTokenizerFast"}
        (folder / name / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder
