"""What a recipe says about training a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from lmworks.data.mixing import Proportions
from lmworks.errors import LmworksError
from lmworks.recipe import Reference, StepConfig

if TYPE_CHECKING:
    from lmworks.model.config import DecoderConfig
    from lmworks.model.seq2seq_config import EncoderDecoderConfig

SENTINELS = 100
"""As published T5 tokenizers have: marks of the spans that are taken out of a text."""
Auto = Literal["auto"]
Count = int | Auto


class TrainConfig(StepConfig):
    """Fields of every objective. What is `auto` is resolved by the plan before a stage sees it."""

    not_in_key: ClassVar[frozenset[str]] = frozenset({"threads", "compile"})

    base: Reference | None = Field(alias="from", description="The model to begin with; `scratch` for none.")
    data: Reference = Field(description="Documents or conversations to train on.")
    tokenizer: Reference = Field(default="tokenizer", description="Every model of a recipe shares one.")
    validation: Reference | None = Field(default=None, description="Data of the same form to watch the loss on.")
    watch: Reference | None = Field(
        default=None, description="Prompts that are answered again and again during training."
    )

    proportions: Proportions | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="Of `data`; set by the graph where it is a mix.",
    )

    objective: str
    optimizer: Literal["muon", "adamw", "adam", "sgd"] = Field(
        default="muon",
        description="Muon moves the matrices inside blocks and AdamW the rest: the fewest steps to a loss. The others "
        "move everything at `learning_rate`, as published settings are stated.",
    )
    learning_rate: float
    adamw_learning_rate: float
    sequence_length: int = Field(default=512, ge=8, description="Nine in ten operations' documents fit whole.")
    global_batch_tokens: int = Field(
        default=2048,
        ge=8,
        description="Tokens a step. In minutes of training steps are scarce: half of 4,096 lost less.",
    )
    micro_batch_rows: int = Field(default=4, ge=1, description="Rows at once; their activations stay in a CPU's cache.")
    steps: Count = Field(default="auto", description="As many as the budget allows.")
    warmup_steps: int = Field(default=10, ge=0, description="Muon needs few: its updates have one size from the first.")
    schedule: Literal["linear", "cosine", "constant"] = Field(
        default="linear", description="How the rate falls to zero after the warm-up; linear lost least."
    )
    decay_share: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Share of the steps in which the rate falls to zero; the best is the whole. Below 1 it is constant "
        "first (warm-up, stable, decay), so that a branch can decay from any checkpoint.",
    )
    momentum: float = Field(default=0.95, ge=0, lt=1, description="Of Muon and SGD; the value of Muon's author.")
    weight_decay: float = Field(
        default=0.0,
        ge=0,
        description="Nothing is seen often enough to be overfitted. Norms and biases, which are no matrices, never "
        "decay.",
    )
    dropout: float = Field(
        default=0.0, ge=0, lt=1, description="None: a text that is seen once or twice is not learned by heart."
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="None: a language model's probabilities are what it is used for."
    )
    gradient_clip: float = Field(default=1.0, gt=0, description="Norm of all gradients together.")
    spike_ratio: float | None = Field(
        default=None,
        gt=1,
        description="A gradient norm so many times the median of the last steps is a spike; unset, only what is not a "
        "number is: clipping bounds the rest.",
    )
    on_spike: Literal["stop", "skip", "roll-back"] = Field(
        default="stop",
        description="`stop` lets nobody pay for a run that has gone wrong. `skip` leaves the step's update out, "
        "`roll-back` returns to the last checkpoint and goes on with the data after the spike.",
    )
    patience: int | None = Field(
        default=None,
        ge=1,
        description="Validations without a lower loss before the run stops and takes the best weights; unset, since "
        "a planned run is worth its last steps, where the rate falls.",
    )
    seed: int = Field(default=0, ge=0, description="Order of rows and fresh weights follow from it.")
    data_type: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="Of products and activations; bfloat16 where the processor multiplies it. Weights stay float32.",
    )
    threads: Count = Field(default="auto", description="Cores to compute on.")
    compile: bool | Auto = Field(default="auto", description="Worth its first minute in runs of several.")
    checkpoint_steps: int = Field(default=50, ge=1, description="Work lost by a kill at the most.")
    validation_steps: int = Field(default=50, ge=1, description="Steps between two validation losses.")
    validation_rows: int = Field(default=16, ge=1, description="The same rows each time; enough to see a trend.")

    @field_validator("base", mode="before")
    @classmethod
    def _scratch(cls, value: Any) -> Any:
        return None if value == "scratch" else value

    @model_validator(mode="after")
    def _rates_are_of_the_optimizer(self) -> Self:
        if self.optimizer != "muon" and "learning_rate" not in self.model_fields_set:
            raise ValueError(
                f"the default learning_rate is Muon's: state one for {self.optimizer}, such as "
                f"{0.1 if self.optimizer == 'sgd' else 0.002}"
            )
        if self.optimizer != "muon" and "adamw_learning_rate" in self.model_fields_set:
            raise ValueError(f"adamw_learning_rate goes with muon; {self.optimizer} moves all at learning_rate")
        return self

    @property
    def rows_per_step(self) -> int:
        """Rows in one optimizer step."""
        return max(1, self.global_batch_tokens // self.sequence_length)

    def require_resolved(self) -> None:
        """Raise if the plan has left a value open."""
        names = [name for name in type(self).model_fields if getattr(self, name) == "auto"]
        if names:
            raise LmworksError(f"{', '.join(names)}: still auto; the plan must set a value before training begins")


class CausalLMConfig(TrainConfig):
    """Predict each next token of documents."""

    objective: Literal["causal-lm"] = "causal-lm"
    learning_rate: float = Field(default=0.02, gt=0, description="Muon's, for matrices inside blocks.")
    adamw_learning_rate: float = Field(
        default=0.025, gt=0, description="For embeddings, output and norms; between the two best of five tried."
    )
    num_layers: Count = Field(default="auto", description="Follows from hidden_size.", ge=1)
    hidden_size: Count = Field(default="auto", description="As large as the budget can train.")
    num_heads: int | None = Field(
        default=None, ge=1, description="Unset: heads of 64, the size that kernels are made for."
    )
    num_key_value_heads: int | None = Field(
        default=None, ge=1, description="Unset: half of num_heads; a smaller cache."
    )
    intermediate_size: int | None = Field(default=None, ge=1, description="Unset: 8/3 of hidden_size, as Llama.")
    qk_norm: bool = Field(default=True, description="Keeps attention stable at high rates (Qwen3).")
    sliding_window: int | None = Field(default=None, ge=1, description="Unset: each position sees all before it.")
    tie_embeddings: bool = Field(
        default=False, description="A table of its own learns faster; tie for large vocabularies."
    )

    def shape(self, vocab_size: int) -> DecoderConfig:
        """The decoder to build when there is no base."""
        from lmworks.model.config import DecoderConfig

        self.require_resolved()
        assert isinstance(self.hidden_size, int) and isinstance(self.num_layers, int)  # noqa: S101 - for the type checker
        heads = self.num_heads or max(1, self.hidden_size // 64)
        return DecoderConfig(
            vocab_size=vocab_size,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            num_heads=heads,
            num_key_value_heads=self.num_key_value_heads or max(1, heads // 2),
            head_size=self.hidden_size // heads,
            intermediate_size=self.intermediate_size or -(-self.hidden_size * 8 // 3 // 64) * 64,
            context_length=self.sequence_length,
            qk_norm=self.qk_norm,
            sliding_window=self.sliding_window,
            tie_embeddings=self.tie_embeddings,
        )


class SftConfig(TrainConfig):
    """Predict what the assistant says in conversations."""

    base: Reference = Field(alias="from", description="The model to tune.")
    objective: Literal["sft"] = "sft"
    learning_rate: float = Field(
        default=0.01, gt=0, description="Half of pretraining's: the base is to be bent, not unlearned."
    )
    adamw_learning_rate: float = Field(default=0.002, gt=0, description="Higher rates lost more on validation text.")


class Seq2SeqConfig(TrainConfig):
    """Encoder-decoders: a T5 from scratch, or the one that is named in `from`."""

    learning_rate: float = Field(default=0.02, gt=0, description="Muon's, for matrices inside blocks.")
    adamw_learning_rate: float = Field(
        default=0.03,
        gt=0,
        description="Near the decoder's: on pairs, 0.005 was slower than 0.02.",
    )
    hidden_size: int = Field(
        default=256, ge=8, description="With three layers, what two cores train in minutes; half of it for few pairs."
    )
    micro_batch_rows: int = Field(
        default=48, ge=1, description="Pairs of sentences whose targets fill a chunk of 1024."
    )
    num_layers: int = Field(default=3, ge=1, description="Of the encoder, and as many of the decoder.")
    num_heads: int | None = Field(default=None, ge=1, description="Unset: heads of 64, as T5.")
    intermediate_size: int | None = Field(default=None, ge=1, description="Unset: 8/3 of hidden_size: T5 1.1's share.")
    tie_embeddings: bool = Field(
        default=False, description="T5 1.1 has an output matrix of its own; tie for few pairs."
    )

    def shape(self, vocab_size: int) -> EncoderDecoderConfig:
        """The encoder-decoder to build when there is no base, for a tokenizer of so many ids."""
        from lmworks.model.seq2seq_config import EncoderDecoderConfig

        heads = self.num_heads or max(1, self.hidden_size // 64)
        return EncoderDecoderConfig(
            vocab_size=vocab_size + SENTINELS,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            num_heads=heads,
            head_size=self.hidden_size // heads,
            intermediate_size=self.intermediate_size or -(-self.hidden_size * 8 // 3 // 64) * 64,
            tie_embeddings=self.tie_embeddings,
        )


class SpanCorruptionConfig(Seq2SeqConfig):
    """Write what was taken out of documents."""

    objective: Literal["span-corruption"] = "span-corruption"
    micro_batch_rows: int = Field(default=4, ge=1, description="Rows of 512 whose activations stay in a CPU's cache.")


class TextToTextConfig(Seq2SeqConfig):
    """Write the target of a source."""

    objective: Literal["text-to-text"] = "text-to-text"
    sequence_length: int = Field(
        default=128, ge=8, description="Source and target together; a pair of sentences of 60 words fits."
    )


ModelConfig = CausalLMConfig | SftConfig
