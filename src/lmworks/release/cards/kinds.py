"""The kind of model that a card describes: what it does, who made its weights, and the code that loads it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lmworks.model.config import DecoderConfig, Family
from lmworks.model.folder import ENGINE, FAMILY, approximate_config, family_of
from lmworks.model.pretrained import FRAME, NAME_ON_HUB
from lmworks.pipeline.store import Artifact
from lmworks.release.cards.evidence import Evidence, Witness
from lmworks.tokens.packaged import PACKAGED

SOURCE = "lmworks-source.json"
"""File in a folder that was downloaded from a hub, with the hub, the revision, and the digest of each file."""
IMPORT = "import-model"
TAGS: Mapping[Family | None, str] = {
    "encoder-decoder": "text2text-generation",
    "encoder": "feature-extraction",
    "sequence classifier": "text-classification",
    "reward model": "text-classification",
    "token classifier": "token-classification",
}
"""Family of models that do not continue texts → the hub's name for their use."""
DOES: Mapping[Family | None, str] = {
    "encoder": "makes a vector of a text",
    "sequence classifier": "tells the label of a text",
    "reward model": "scores an answer",
    "token classifier": "marks spans of a text",
    "encoder-decoder": "writes the target of a source",
}
WRITERS: tuple[Family | None, ...] = (None, "decoder", "encoder-decoder")
"""Families that write texts. None stands for a family that `config.json` does not state."""
OF_DOCUMENTS = "causal-lm"
"""Objective after which a decoder continues texts and has not learned to chat."""

Relation = Literal["finetune", "quantized"]


@dataclass(frozen=True)
class Base:
    """A model published by others that is the card's model, or whose weights its training began with."""

    artifact: Artifact
    step: str
    name: str
    """Name on a hub. If it is not known, the last part of the path that the recipe names."""
    is_on_hub: bool
    revision: str
    licence: str
    is_quantised: bool
    """Whether the model was read from a file with fewer bits per weight."""
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class Kind:
    """Kind of a model."""

    family: Family | None
    """Family of the model. None if `config.json` does not state it: most likely a decoder."""
    engine: str | None
    """Engine that answers for the model. None for lmworks's own networks."""
    is_counted: bool
    """Whether the model is no neural network but counts from its training texts."""
    shape: DecoderConfig | None
    bases: tuple[Base, ...]
    """Published models that it is, or that its training began with, the earliest first."""
    is_imported: bool
    answers_chats: bool

    @property
    def writes(self) -> bool:
        """Whether the model writes texts."""
        return self.family in WRITERS

    @property
    def does(self) -> str:
        """Verb phrase for what the model does."""
        chats = "answers in a chat" if self.answers_chats else "goes on from a text"
        return DOES.get(self.family, chats)

    @property
    def tag(self) -> str:
        """Name that the hub gives to the model's use."""
        return TAGS.get(self.family, "text-generation")

    @property
    def library(self) -> str:
        """Library that loads the model."""
        return "lmworks" if self.engine else "transformers"

    @property
    def relation(self) -> Relation | None:
        """Relation to its base on a hub. None for an equal copy of the base."""
        if self.is_imported:
            return "quantized" if self.bases[-1].is_quantised else None
        return "finetune"


def writes(folder: Path) -> bool:
    """Return whether the model in a folder writes texts."""
    return family_of(folder) in WRITERS


def kind_of(witness: Witness, artifact: Artifact) -> Kind:
    """Return the kind of a model, from its files and those of the models that it began with."""
    lineage = witness.built.lineage
    config = witness.content(artifact, "config.json")
    begun_with = [link.parent for link in lineage.begun_with(artifact)]
    every = [each for each in [*begun_with, artifact] if each]
    return Kind(
        family=family_of(artifact.payload),
        engine=config.get(ENGINE),
        is_counted=FAMILY in config,
        shape=None if ENGINE in config else approximate_config(artifact.payload / "config.json"),
        bases=tuple(_base(witness, each) for each in every if each.stage == IMPORT),
        is_imported=artifact.stage == IMPORT,
        answers_chats=any(_learned_chats(witness, each) for each in every),
    )


def _learned_chats(witness: Witness, model: Artifact) -> bool:
    """Return whether a model was trained on chats, or was published with a chat template."""
    if model.stage == IMPORT:
        framed = [each["reason"] for each in witness.records(model, "examples.jsonl")]
        return bool(witness.files(model, "tokenizer_config.json")) and FRAME not in framed
    return bool(model.manifest.config.get("objective", OF_DOCUMENTS) != OF_DOCUMENTS)


def _base(witness: Witness, artifact: Artifact) -> Base:
    config: dict[str, Any] = artifact.manifest.config
    hub = witness.content(artifact, SOURCE)
    packaged = PACKAGED.get(config["path"])
    named = hub.get("name") or (packaged and packaged.published_as)
    if not named and NAME_ON_HUB.fullmatch(config["path"]) and not config["path"].endswith(".gguf"):
        named = config["path"]  # as `lmworks models get` calls its folder
    files = [name for name, *_ in config.get("fingerprint", ())]
    fields = ["config.path", "config.licence", "config.fingerprint"]
    return Base(
        artifact=artifact,
        step=witness.built.lineage.name_of(artifact),
        name=str(named or config["path"].rstrip("/").rpartition("/")[2]),
        is_on_hub=bool(named),
        revision=str(hub.get("revision", "")),
        licence=str(config["licence"]),
        is_quantised=any(re.search(r"(?i)\bi?q\d.*\.gguf$", name) for name in files),
        evidence=(witness.manifest(artifact, *fields), *witness.files(artifact, SOURCE, "name, revision")),
    )


# ---------------------------------------------------------------- code

MOST_TOKENS = 100
"""Most tokens of an answer. A model with a short context gets half its context."""
PIPELINE = """\
from transformers import pipeline

print(pipeline("{tag}", {folder})("Hello"))
"""
CHAT = """\
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained({folder})
model = AutoModelForCausalLM.from_pretrained({folder})
chat = [{{"role": "user", "content": "Hello"}}]
prompt = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
answer = model.generate(**prompt, max_new_tokens={most})[0, prompt["input_ids"].shape[1] :]
print(tokenizer.decode(answer, skip_special_tokens=True))
"""
TEXT = """\
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained({folder})
model = AutoModelForCausalLM.from_pretrained({folder})
prompt = tokenizer("Hello", return_tensors="pt", return_token_type_ids=False)
print(tokenizer.decode(model.generate(**prompt, max_new_tokens={most})[0], skip_special_tokens=True))
"""
SCORE = """\
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained({folder})
model = AutoModelForSequenceClassification.from_pretrained({folder})
chat = [{{"role": "user", "content": "Hello"}}, {{"role": "assistant", "content": "Good morning."}}]
read = tokenizer.apply_chat_template(chat, return_tensors="pt", return_dict=True)
with torch.no_grad():
    print(model(**read).logits[0, 0].item())  # at the last token; only differences between answers mean something
"""
REWRITE = """\
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained({folder})
model = AutoModelForSeq2SeqLM.from_pretrained({folder})
source = tokenizer("Hello", return_tensors="pt", return_token_type_ids=False)
print(tokenizer.decode(model.generate(**source, max_new_tokens={most})[0], skip_special_tokens=True))
"""


def python_code(kind: Kind, folder: str) -> str:
    """Return Python code that loads a model from a folder or by a name on a hub. Empty if no library loads it."""
    if kind.engine:
        return ""
    forms: Mapping[Family | None, str] = {"reward model": SCORE, "encoder-decoder": REWRITE}
    form = forms.get(kind.family, PIPELINE if not kind.writes else CHAT if kind.answers_chats else TEXT)
    most = min(MOST_TOKENS, kind.shape.context_length // 2) if kind.shape else MOST_TOKENS
    return form.format(tag=kind.tag, most=most, folder=json.dumps(folder))


def shell_code(kind: Kind, model: str, *, is_measured: bool) -> str:
    """Return commands that let a model, named by step or folder, answer rows of a file and requests over HTTP.

    `is_measured` states whether a task of the store that serves the model has measured it.
    """
    if kind.family == "reward model":
        return ""
    option = " --unmeasured" if kind.writes and not is_measured else ""
    return f"""\
echo '{{"text": "Hello"}}' > rows.jsonl
lmworks predict {model} rows.jsonl
lmworks serve {model}{option}
"""
