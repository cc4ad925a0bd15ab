"""Which engine answers for a model folder. An engine is one file beside this one and one line in `ENGINES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmworks.engines.rented.address import ENGINE_NAME
from lmworks.errors import LmworksError
from lmworks.model.config import REWARD
from lmworks.model.device import AUTO, find_device
from lmworks.model.files import read_json, refuse_special_files, require_finite
from lmworks.model.folder import engine_of, family_of, is_native
from lmworks.model.published import load_published_decoder
from lmworks.registry import Kinds

if TYPE_CHECKING:
    import torch

    from lmworks.engines.decoder import DecoderEngine
    from lmworks.engines.protocol import Engine

REHEARSAL = "rehearsal"
"""The engine of a folder that stands in for a model: a tokenizer, and `context_length` in its config.json."""

Open = Callable[[Path, str, "torch.device"], "Engine"]
"""Opens a model folder to compute in a data type, on a device."""


def _ours(
    folder: Path,
    data_type: str,
    device: torch.device,
    *,
    labels: Sequence[str] = (),
    beside: Mapping[str, Path | None] | None = None,
) -> DecoderEngine:
    """Decoders of lmworks's own architectures, on PyTorch. This is the reference engine.

    With `labels`, one that scores them. What is `beside` its weights are adapters, of models that are all on this base.
    """
    from lmworks.engines.adapters import Adapters
    from lmworks.engines.decoder import DecoderEngine
    from lmworks.model.folder import load_model
    from lmworks.tokens.tokenizer import open_tokenizer

    model = load_model(folder, data_type, labels=labels).to(device)
    require_finite(folder, model.named_parameters())
    adapters = Adapters(model, beside) if beside else None
    return DecoderEngine(model, open_tokenizer(folder), adapters)


def _published(folder: Path, data_type: str, device: torch.device) -> Engine:
    """Decoders, encoder-decoders, classifiers and encoders of other architectures, in `transformers`."""
    from lmworks.engines.encoder import AUTO_CLASSES, ReadingEngine
    from lmworks.engines.published import PublishedEngine
    from lmworks.engines.seq2seq import EncoderDecoderEngine
    from lmworks.tokens.tokenizer import open_tokenizer

    family = family_of(folder) or ("encoder" if _is_bare_encoder(folder) else None)
    if family in AUTO_CLASSES:
        return ReadingEngine(folder, family, data_type, device)
    if family == "encoder-decoder":
        return EncoderDecoderEngine(folder, data_type, device)
    model = load_published_decoder(folder, data_type)
    model.module.to(device)
    return PublishedEngine(model, open_tokenizer(folder))


def _is_bare_encoder(folder: Path) -> bool:
    """Return whether a folder holds an encoder without a head, as models of sentences are published."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES, MODEL_MAPPING_NAMES

    found = read_json(folder / "config.json")
    kind = str(found.get("model_type"))
    return kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES and found.get("architectures") == [MODEL_MAPPING_NAMES.get(kind)]


def _check(name: str, found: Any) -> Open:
    if not callable(found):
        raise TypeError(f"expected a function from a folder, a data type and a device to an engine, found {found!r}")
    opens: Open = found
    return opens


def _bag_of_words(folder: Path, data_type: str, device: torch.device) -> Engine:
    """Labels from counted words, learned in seconds."""
    from lmworks.engines.baselines import BagOfWordsEngine

    return BagOfWordsEngine(folder)


def _dictionary(folder: Path, data_type: str, device: torch.device) -> Engine:
    """Spans from phrases that were always labelled alike."""
    from lmworks.engines.baselines import DictionaryEngine

    return DictionaryEngine(folder)


def _baseline(folder: Path, data_type: str, device: torch.device) -> Engine:
    """Texts as a baseline of a task writes them."""
    from lmworks.engines.baselines import WriterEngine

    return WriterEngine(folder)


def _rented(folder: Path, data_type: str, device: torch.device) -> Engine:
    """Answers of a model at another place."""
    from lmworks.engines.rented.engine import RentedEngine

    return RentedEngine(folder)


def _rehearsing(folder: Path, data_type: str, device: torch.device) -> Engine:
    """Stand-in for a model that is not trained yet."""
    from lmworks.engines.rehearsal import Rehearsal, RewriterRehearsal
    from lmworks.tokens.tokenizer import open_tokenizer

    rehearsing = RewriterRehearsal if family_of(folder) == "encoder-decoder" else Rehearsal
    return rehearsing(open_tokenizer(folder), read_json(folder / "config.json")["context_length"])


ENGINES: Kinds[Open] = Kinds(
    "engines",
    "engine",
    {
        "torch": _ours,
        "transformers": _published,
        "bag-of-words": _bag_of_words,
        "dictionary": _dictionary,
        "baseline": _baseline,
        ENGINE_NAME: _rented,
        REHEARSAL: _rehearsing,
    },
    _check,
)


def engine_named(folder: Path) -> str:
    """Return the name of the engine for a model folder: what its config.json says, or one of ours that knows it."""
    if named := engine_of(folder):
        return named
    return "torch" if is_native(folder) and family_of(folder) != "sequence classifier" else "transformers"


def open_engine(folder: Path, data_type: str = "auto", device: str = AUTO) -> Engine:
    """The engine for a model folder. `auto` is float32: figures then do not depend on the processor's short types.

    It computes on the device of that name, by default on an accelerator where there is one. Raises UnknownKind where
    the folder names an engine of a package that is not installed.
    """
    place, named = find_device(device), engine_named(folder)
    refuse_special_files(folder)
    return ENGINES.require(named)(folder, "float32" if data_type == "auto" else data_type, place)


def open_decoder(folder: Path, data_type: str = "auto", device: str = AUTO) -> DecoderEngine:
    """The engine for a folder, to be asked for likelihoods too. Raises LmworksError for a model of another family."""
    from lmworks.engines.decoder import DecoderEngine

    engine = open_engine(folder, data_type, device)
    if not isinstance(engine, DecoderEngine):
        raise LmworksError(f"{folder}: {engine.refused('generate')}, token by token")
    return engine


def open_adapted(base: Path, adapters: Mapping[str, Path | None], device: str = AUTO) -> DecoderEngine:
    """The engine for several models on one base, whose weights are held once: model → PEFT folder, None for the base.

    Raises `LmworksError` for adapters of another base, and for a base that is more than the weights of our decoder.
    """
    return _ours(base, "float32", find_device(device), beside=adapters)


def open_reward_model(folder: Path, data_type: str = "float32", device: str = AUTO) -> DecoderEngine:
    """Return the engine for a reward model, to ask for `scores`."""
    if engine_of(folder):
        return open_decoder(folder, data_type, device)
    return _ours(folder, data_type, find_device(device), labels=REWARD)
