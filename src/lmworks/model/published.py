"""Models of architectures that `transformers` knows, as Hugging Face folders: nothing is fetched, no code is run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from lmworks.errors import LmworksError
from lmworks.tokens.tokenizer import FILES

EXPECTED_TO_MISS = ("pooler", "classifier", "score", "head", "drop")
"""Parts of names of what a task puts on top of a base: absent from the base, and begun afresh."""


def load_published(folder: Path, auto_class: str, data_type: str = "float32", **config: Any) -> Any:
    """The model of a folder by one of `transformers`' automatic classes, such as "AutoModelForMaskedLM".

    `config` are fields of its config to be changed (`num_labels=3`). Raises LmworksError if the folder is no model that
    this class reads, or if weights are missing that a task does not put on top.
    """
    transformers = quiet_transformers()
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
    except (ValueError, OSError, RuntimeError, KeyError) as error:
        raise LmworksError(
            f"{folder} cannot be loaded as {auto_class}: {error}. Expected config.json and model.safetensors of an "
            "architecture that `transformers` knows; `save_pretrained` writes them"
        ) from error
    absent = [name for name in loading["missing_keys"] if not any(part in name for part in EXPECTED_TO_MISS)]
    if absent:
        raise LmworksError(f"{folder} has no weights for {', '.join(sorted(absent)[:3])}: it is no whole {auto_class}")
    return model


def save_published(model: Any, folder: Path, tokenizer_folder: Path) -> None:
    """Write config, weights and tokenizer. Equal weights give equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder, safe_serialization=True)
    for name in FILES:
        shutil.copyfile(tokenizer_folder / name, folder / name)


def quiet_transformers() -> Any:
    """The library, without its bars and notes. Raises LmworksError if it is not installed."""
    try:
        import transformers
    except ImportError as error:
        raise LmworksError("Models of others need `transformers`: pip install 'lmworks[pretrained]'.") from error
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    return transformers
