"""Encoders in Hugging Face folders: what a user has, read without the network and without running code of theirs."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lmworks.data.base.tokenizer_file import read_tokenizer
from lmworks.errors import LmworksError, UsageError
from lmworks.extras import told_if_missing
from lmworks.lazy import np
from lmworks.pipeline.files import digest_file, digest_files

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

FILES = ("config.json", "tokenizer.json", "model.safetensors")
BATCH, TOKENS_AT_ONCE = 32, 2**14
"""Maximum windows and tokens of a batch. More are not faster on a processor. A longer window is a batch of its own."""

Task = Literal["AutoModel", "AutoModelForTokenClassification"]


def model_digest(folder: Path, field: str) -> str:
    """Return a digest of the files of a model. Raises UsageError, naming `field`, if one is absent."""
    absent = [name for name in FILES if not (folder / name).is_file()]
    if absent:
        raise UsageError(
            f"{field}: {folder} has no {' and no '.join(absent)}. Expected the folder of a Hugging Face model with "
            f"{', '.join(FILES)}; `save_pretrained` of model and fast tokenizer writes one."
        )
    return digest_files({name: digest_file(folder / name) for name in FILES})


@functools.cache
def load(folder: Path, task: Task) -> tuple[Any, Any]:
    """Return the tokenizer (of the `tokenizers` package) and the model of a folder.

    Raises LmworksError if `transformers` is absent or does not know the model, or if weights are missing.
    """
    try:
        model, loading = getattr(quiet_transformers(), task).from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, output_loading_info=True
        )
        tokenizer = read_tokenizer(folder / "tokenizer.json")
    except (ValueError, OSError, RuntimeError) as error:
        raise LmworksError(f"{folder} cannot be loaded as {task}: {error}") from error
    if absent := sorted(name for name in loading["missing_keys"] if "pooler" not in name):  # nobody asks the pooler
        raise LmworksError(f"{folder} has no weights for {', '.join(absent[:3])}. Name a folder of a trained {task}.")
    tokenizer.no_padding()
    return tokenizer, model.eval()


def quiet_transformers() -> Any:
    """Return `transformers` without its progress bars and notes. Raises LmworksError if it is not installed."""
    with told_if_missing():
        import transformers
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    return transformers


def most_tokens(model: Any) -> int:
    """Return the maximum number of tokens of an input, including special tokens."""
    positions: int = getattr(model.config, "max_position_embeddings", 512)
    return positions - 2 if model.config.model_type in ("roberta", "xlm-roberta", "camembert") else positions


def batches(model: Any, windows: Sequence[Any]) -> Iterator[tuple[list[int], Any, torch.Tensor]]:
    """Run encodings [T] through a model on its device, long encodings first, so that there is little padding.

    Yields for each batch the places of its windows, the model's output for them and their mask [B, T].
    """
    import torch

    left = sorted(range(len(windows)), key=lambda place: -len(windows[place].ids))
    pad = model.config.pad_token_id or 0
    while left:
        length = len(windows[left[0]].ids)
        count = min(BATCH, max(1, TOKENS_AT_ONCE // max(1, length)))
        places, left = left[:count], left[count:]
        rows = [windows[place].ids for place in places]
        mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows], device=model.device)
        with torch.inference_mode():
            padded = torch.tensor([row + [pad] * (length - len(row)) for row in rows], device=model.device)
            yield places, model(input_ids=padded, attention_mask=mask), mask


def mean_of_tokens(model: Any, windows: Sequence[Any]) -> NDArray[np.float32]:
    """Return vectors [N, D] of length 1: an encoder's output, averaged over the tokens of each encoding."""
    found = np.zeros((len(windows), model.config.hidden_size), np.float32)
    for places, output, mask in batches(model, windows):
        weights = mask[:, :, None]
        mean = (output.last_hidden_state.float() * weights).sum(dim=1) / weights.sum(dim=1)
        found[places] = (mean / mean.norm(dim=1, keepdim=True)).cpu().numpy()
    return found


def embed(folder: Path, texts: Sequence[str], tokens: int) -> NDArray[np.float32]:
    """Return embeddings [N, D] of length 1: the encoder's output, averaged over each text's first tokens."""
    tokenizer, model = load(folder, "AutoModel")
    tokenizer.enable_truncation(min(tokens, most_tokens(model)))
    return mean_of_tokens(model, tokenizer.encode_batch(texts))
