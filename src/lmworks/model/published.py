"""Models of architectures that `transformers` knows, as Hugging Face folders. Nothing is downloaded, no code is run.

Axes: B batch, T time, D hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmworks.data.base.pretrained import quiet_transformers
from lmworks.errors import LmworksError
from lmworks.lazy import torch
from lmworks.model.files import check_extent, read_json, require_finite
from lmworks.model.folder import ARCHITECTURES, approximate_config, copy_tokenizer, special_ids

if TYPE_CHECKING:
    from torch import Tensor, nn

EXPECTED_TO_MISS = ("pooler", "classifier", "score", "head", "drop")
"""Parts of the names of weights that a task adds to a base. They can be missing, and then start new."""


def load_published(
    folder: Path, auto_class: str, data_type: str = "float32", may_miss: Sequence[str] = EXPECTED_TO_MISS, **config: Any
) -> Any:
    """Return the model of a folder by one of `transformers`' automatic classes, such as "AutoModelForMaskedLM".

    `config` has fields of its config to change (`num_labels=3`). Raises LmworksError if this class cannot read the
    folder, or if weights are missing whose names contain none of `may_miss`.
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
    except ModuleNotFoundError:
        raise
    except Exception as error:  # each architecture raises its own over what it was not made for
        line = " ".join(str(error).split())[:600]
        raise LmworksError(
            f"{folder} cannot be loaded as {auto_class}: {line}. Expected config.json and model.safetensors of an "
            "architecture that `transformers` knows; `save_pretrained` writes them"
        ) from error
    require_finite(folder, model.named_parameters())
    absent = [name for name in loading["missing_keys"] if not any(part in name for part in may_miss)]
    if absent:
        raise LmworksError(f"{folder} has no weights for {', '.join(sorted(absent)[:3])}: copy the whole model again")
    return model


def save_published(model: Any, folder: Path, tokenizer_folder: Path) -> None:
    """Write config, weights and tokenizer. Equal weights give equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    copy_tokenizer(tokenizer_folder, folder)


def require_known(folder: Path) -> None:
    """Raise LmworksError, with the known architectures, if neither lmworks nor `transformers` has this architecture."""
    kind = str(read_json(folder / "config.json").get("model_type"))
    known = quiet_transformers().CONFIG_MAPPING
    if kind not in known:
        raise LmworksError(
            f"{folder}/config.json: model_type is {kind!r}; known are {', '.join(ARCHITECTURES)} and the {len(known)} "
            "of the installed `transformers`. Code in a model's folder is never run."
        )


AGREEMENT = 1e-3
"""Largest difference between logits and the product of hidden states and output matrix, as a share of their spread."""
PROBE, PROBE_END = 16, 5
"""Tokens in each of two texts that test causality, and how many last ones differ, not at a chunk boundary of 2ⁿ."""


class PublishedDecoder:
    """A decoder of `transformers` with our own interface: hidden states whose product with a matrix is the logits.

    An output bias, as in Phi and GPT-J, becomes a further column of the matrix, for a hidden value that is always 1.
    """

    def __init__(self, network: Any, folder: Path) -> None:
        self.network = network
        self.module: nn.Module = network
        self.config = approximate_config(folder / "config.json")
        self.compute_type: torch.dtype = network.dtype

    @property
    def output_weight(self) -> Tensor:
        """Output matrix [V,D]."""
        output = self.network.get_output_embeddings()
        weight: Tensor = output.weight
        return weight if output.bias is None else torch.cat((weight, output.bias[:, None]), dim=1)

    @property
    def blocks(self) -> nn.ModuleList:
        """Layers of the model: the longest `ModuleList`."""
        return max((m for m in self.module.modules() if isinstance(m, torch.nn.ModuleList)), key=len)

    def hidden(self, tokens: Tensor, *_: object) -> Tensor:
        """Return hidden states [B,T,D] of tokens [B,T]. Padding must be on the right, where causality hides it."""
        found: Tensor = self.network.base_model(input_ids=tokens, use_cache=False).last_hidden_state
        if self.network.get_output_embeddings().bias is None:
            return found
        return torch.cat((found, found.new_ones(*found.shape[:-1], 1)), dim=-1)

    def eval(self) -> PublishedDecoder:
        """Switch dropout off, and return the decoder."""
        self.network.eval()
        return self


def load_published_decoder(folder: Path, data_type: str | None = "float32") -> PublishedDecoder:
    """Read a folder with `AutoModelForCausalLM`. `data_type` None keeps the stored type.

    Raises LmworksError if it cannot be read, if weights are missing, if the logits are more than a product (Gemma 2
    caps them, Cohere scales them), or if the model reads later tokens.
    """
    network = load_published(folder, "AutoModelForCausalLM", data_type or "auto", may_miss=())
    model = PublishedDecoder(network, folder).eval()
    _require_plain_logits(model, folder)
    _require_causal(model, folder)
    return model


def save_published_decoder(model: PublishedDecoder, folder: Path, tokenizer_folder: Path) -> None:
    """Write the decoder in its original form, with its tokenizer and the ids that end an answer."""
    for settings in (model.network.config, model.network.generation_config):
        for name, value in special_ids(tokenizer_folder).items():
            setattr(settings, name, value)
    model.network.save_pretrained(folder)
    copy_tokenizer(tokenizer_folder, folder)


def _require_plain_logits(model: PublishedDecoder, folder: Path) -> None:
    tokens = torch.arange(1, 9)[None]
    with torch.no_grad():
        expected = model.network(input_ids=tokens, use_cache=False).logits.float()
        found = (model.hidden(tokens) @ model.output_weight.T).float()
    if not torch.isfinite(expected).all():  # no comparison below would hold of them
        raise LmworksError(
            f"{folder}: some logits are NaN or infinite: the weights hold such values, or overflow in "
            f"{model.compute_type}; copy model.safetensors again, or use another model or `data_type`"
        )
    if float((found - expected).abs().max()) > AGREEMENT * float(expected.std() + expected.abs().max()):
        raise LmworksError(
            f"{folder}: its logits are not the product of hidden states and output matrix (they are capped, scaled or "
            "shifted): lmworks cannot tune or evaluate such a decoder"
        )


def _require_causal(model: PublishedDecoder, folder: Path) -> None:
    """Raise LmworksError if the model reads later tokens, by its known settings or by a test of its hidden states."""
    settings = model.network.config.get_text_config()
    is_stated = getattr(settings, "is_causal", True) is False or (
        getattr(settings, "use_bidirectional_attention", None) in (True, "all")
    )
    tokens = torch.arange(1, PROBE + 1)[None] % len(model.output_weight)
    other = tokens.clone()
    other[:, -PROBE_END:] = tokens[:, :PROBE_END]
    with torch.no_grad():
        one, two = (model.hidden(each)[0, :-PROBE_END].float() for each in (tokens, other))
    difference = ((one - two).norm(dim=-1) / one.norm(dim=-1)).max()
    if is_stated or float(difference) > torch.finfo(model.compute_type).eps ** 0.5:  # half the digits
        found = "as its config.json states" if is_stated else f"and so earlier hidden states change by {difference:.1%}"
        raise LmworksError(
            f"{folder}: the model reads later tokens, {found}: its likelihoods mean nothing. Expected a causal "
            "decoder; use_bidirectional_attention, is_causal and is_decoder in config.json are such settings"
        )
