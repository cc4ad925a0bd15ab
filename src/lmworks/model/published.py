"""Models of architectures that `transformers` knows, as Hugging Face folders: nothing is fetched, no code is run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lmworks.data.pretrained import quiet_transformers
from lmworks.errors import LmworksError
from lmworks.model.files import check_extent, read_json
from lmworks.model.folder import ARCHITECTURES
from lmworks.tokens.tokenizer import FILES

EXPECTED_TO_MISS = ("pooler", "classifier", "score", "head", "drop")
"""Parts of names of what a task puts on top of a base: absent from the base, and begun afresh."""


def load_published(
    folder: Path,
    auto_class: str,
    data_type: str = "float32",
    may_miss: Sequence[str] = EXPECTED_TO_MISS,
    **config: Any,
) -> Any:
    """The model of a folder by one of `transformers`' automatic classes, such as "AutoModelForMaskedLM".

    `config` are fields of its config to be changed (`num_labels=3`). Raises LmworksError if the folder is no model that
    this class reads, or if weights are missing that a task does not put on top.
    """
    transformers = quiet_transformers()
    require_known(folder)
    check_extent(folder)
    try:
        model, loading = getattr(transformers, auto_class).from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            dtype=data_type,
            **config,
        )
    except Exception as error:  # each architecture raises its own over what it was not made for
        line = " ".join(str(error).split())[:600]
        raise LmworksError(
            f"{folder} cannot be loaded as {auto_class}: {line}. Expected config.json and model.safetensors of an "
            "architecture that `transformers` knows; `save_pretrained` writes them"
        ) from error
    absent = [name for name in loading["missing_keys"] if not any(part in name for part in may_miss)]
    if absent:
        raise LmworksError(f"{folder} has no weights for {', '.join(sorted(absent)[:3])}: it is no whole {auto_class}")
    return model


def save_published(model: Any, folder: Path, tokenizer_folder: Path) -> None:
    """Write config, weights and tokenizer. Equal weights give equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    for name in FILES:
        shutil.copyfile(tokenizer_folder / name, folder / name)


def require_known(folder: Path) -> None:
    """Raise LmworksError, with what is known, for an architecture that nobody here computes."""
    kind = str(read_json(folder / "config.json").get("model_type"))
    known = quiet_transformers().CONFIG_MAPPING
    if kind not in known:
        raise LmworksError(
            f"{folder}/config.json: model_type is {kind!r}; known are {', '.join(ARCHITECTURES)} and the {len(known)} "
            "of the installed `transformers`. Code in a model's folder is never run."
        )
