from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from lmworks.engines import decoder as decoder_module
from lmworks.engines import request as request_module
from lmworks.engines.decoder import DecoderEngine
from lmworks.engines.decoding import batch as batch_module
from lmworks.engines.decoding.batch import RunningBatch
from lmworks.engines.decoding.sampling import choose
from lmworks.engines.open import open_decoder
from lmworks.engines.protocol import Writing
from lmworks.engines.request import Request, Sampling
from lmworks.errors import LmworksError
from tiny import make_tiny_model

PROMPTS = [[0, *random.Random(length).choices(range(3, 320), k=length)] for length in (1, 40, 7, 19, 3, 60, 11, 7)]
SAMPLED = Sampling(24, temperature=1.0, seed=5)


@pytest.fixture(scope="module", params=[None, 9], ids=["full attention", "sliding window"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DecoderEngine:
    folder: Path = tmp_path_factory.mktemp("models") / "tiny"
    return open_decoder(make_tiny_model(folder, window=request.param))


def logits_of(engine: DecoderEngine, ids: list[int]) -> Tensor:
    """[T,V] by the plainest route: whole sequence, no cache, no padding, attention written out."""
    window = engine.model.config.sliding_window

    def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        k, v = (part.repeat_interleave(q.shape[1] // part.shape[1], dim=1) for part in (k, v))
        distance = torch.arange(len(ids))[:, None] - torch.arange(len(ids))
        seen = (distance >= 0) & (distance < (window or len(ids)))
        scores = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).masked_fill(~seen, float("-inf"))
        return scores.softmax(-1) @ v

    with torch.inference_mode():
        hidden = engine.model.hidden(torch.tensor([ids]), torch.arange(len(ids))[None], attend)
        return F.linear(hidden[0], engine.model.output_weight)


@pytest.mark.parametrize("shared", [0, 40], ids=["nothing shared", "a beginning shared"])
def test_cached_and_batched_decoding_equals_the_whole_forward_pass(
    engine: DecoderEngine, monkeypatch: pytest.MonkeyPatch, shared: int
) -> None:
    """Rows of different lengths, which end at different steps and are moved when another ends."""
    samplings = [Sampling(4 + 3 * index, temperature=1.0, seed=index) for index in range(len(PROMPTS))]
    prompts = [[*range(3, 3 + shared), *prompt] for prompt in PROMPTS]
    seen: dict[Sampling, list[Tensor]] = {sampling: [] for sampling in samplings}

    def watching(logits: Tensor, rows: Sequence[Sampling], noise: Sequence[float]) -> list[int]:
        for row, sampling in zip(logits, rows, strict=True):
            seen[sampling].append(row)
        return choose(logits, rows, noise)

    monkeypatch.setattr(batch_module, "choose", watching)
    for prompt, sampling, generation in zip(prompts, samplings, engine.generate(prompts, samplings), strict=True):
        rows = seen[sampling]
        expected = logits_of(engine, prompt + generation.ids)[len(prompt) - 1 :][: len(rows)]
        torch.testing.assert_close(torch.stack(rows), expected, atol=1e-5, rtol=0)


def test_a_beginning_that_all_prompts_share_is_read_once(
    engine: DecoderEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    hidden = engine.model.hidden

    def counting(tokens: Tensor, *rest: Any) -> Tensor:
        read.append(tokens.numel())
        return hidden(tokens, *rest)

    monkeypatch.setattr(engine.model, "hidden", counting)
    engine.generate([[*range(3, 103), last] for last in range(200, 208)], Sampling(1))
    assert sum(read) == 100 + 8
    read.clear()
    engine.generate([[*range(3, 20), last] for last in range(200, 208)], Sampling(1))
    assert sum(read) == 18 * 8  # too short to be worth a pass of its own


def test_a_batch_of_eight_answers_as_eight_batches_of_one(engine: DecoderEngine) -> None:
    samplings = [Sampling(9 + index, temperature=index % 3 / 2, top_k=index, seed=index) for index in range(8)]
    alone = [engine.generate([prompt], sampling)[0] for prompt, sampling in zip(PROMPTS, samplings, strict=True)]
    assert engine.generate(PROMPTS, samplings) == alone


def test_requests_that_join_and_leave_do_not_change_each_other(engine: DecoderEngine) -> None:
    alone = engine.generate([PROMPTS[3]], SAMPLED)[0]
    batch = engine.batch(rows=3)
    watched = None
    others = [batch.add(Writing(prompt, Sampling(50))) for prompt in PROMPTS[:2]]
    for step in range(40):
        if step == 2:
            watched = batch.add(Writing(PROMPTS[3], SAMPLED))
            batch.add(Writing(PROMPTS[5], Sampling(2)))  # waits for a row
        if step == 7:
            batch.remove(others[0])
        batch.step()
    assert watched is not None
    assert (watched.ids, watched.text, watched.finish_reason) == (alone.ids, alone.text, alone.finish_reason)


def test_a_prompt_that_several_ask_is_read_once_and_each_is_answered_as_if_alone(engine: DecoderEngine) -> None:
    asked = [PROMPTS[0]] * 5 + [PROMPTS[2]] + [PROMPTS[1]] * 3
    samplings = [replace(SAMPLED, seed=seed, log_probabilities=True) for seed in range(len(asked))]
    read: list[tuple[int, ...]] = []
    hook = engine.model.model.embed_tokens.register_forward_hook(lambda _, inputs, __: read.append(inputs[0].shape))
    together = engine.generate(asked, samplings)
    hook.remove()
    assert read[0] == (3, max(map(len, PROMPTS[:3]))), "rows and tokens of the prompts"
    alone = [engine.generate([prompt], [sampling])[0] for prompt, sampling in zip(asked, samplings, strict=True)]
    assert [answer.ids for answer in together] == [answer.ids for answer in alone]
    assert len({tuple(answer.ids) for answer in together[:5]}) > 1
    for one, other in zip(together, alone, strict=True):
        assert one.log_probabilities == pytest.approx(other.log_probabilities, abs=1e-5)


def test_a_removed_request_gets_nothing_more(engine: DecoderEngine) -> None:
    batch = engine.batch(rows=1)
    running, waiting = batch.add(Writing(PROMPTS[0], SAMPLED)), batch.add(Writing(PROMPTS[1], SAMPLED))
    batch.step()
    batch.remove(running)
    batch.remove(waiting)
    assert not batch.busy
    assert batch.step() == []
    assert (len(running.ids), len(waiting.ids)) == (1, 0)


def test_streamed_pieces_make_up_the_generated_text(engine: DecoderEngine) -> None:
    pieces = [piece for _, piece in engine.submit([Writing(PROMPTS[2], SAMPLED)])]
    whole = engine.generate([PROMPTS[2]], SAMPLED)[0]
    assert "".join(piece.text for piece in pieces) == whole.text == engine.tokenizer.decode(whole.ids)
    assert [token for piece in pieces for token in piece.ids] == whole.ids
    assert [piece.finish_reason for piece in pieces] == [None] * (len(pieces) - 1) + ["length"]


def test_a_cancelled_stream_ends_at_once(engine: DecoderEngine) -> None:
    answers = iter([False, False, True])
    assert len(list(engine.submit([Writing(PROMPTS[2], SAMPLED)], cancelled=lambda: next(answers)))) == 2


def test_the_seed_decides_the_answer(engine: DecoderEngine) -> None:
    first, again, other = engine.generate([PROMPTS[2]] * 3, [SAMPLED, SAMPLED, Sampling(24, temperature=1.0, seed=6)])
    assert first == again
    assert first.ids != other.ids


def test_a_stop_string_over_several_tokens_ends_the_text_before_it(engine: DecoderEngine) -> None:
    free = engine.generate([PROMPTS[2]], SAMPLED)[0]
    ascii_ends = [i for i, pair in enumerate(pairwise(free.text)) if i > 8 and "\ufffd" not in pair]
    stop = free.text[ascii_ends[0] : ascii_ends[0] + 2]
    cut = engine.generate([PROMPTS[2]], Sampling(24, temperature=1.0, seed=5, stop=(stop,)))[0]
    assert cut.text == free.text[: free.text.index(stop)]
    assert cut.finish_reason == "stop"
    assert cut.ids == free.ids[: len(cut.ids)]


def test_text_held_back_is_given_out_when_the_answer_ends(engine: DecoderEngine) -> None:
    """What may become a stop, and then what may become a character; by the limit and by an end token."""
    tokenizer = engine.tokenizer
    for text, sampling in (("a日", Sampling(9, stop=("日本",))), ("a日", Sampling(4, stop=("日本",)))):
        request = Request([0], sampling, tokenizer, 128)
        for token in (*tokenizer.encode(text), tokenizer.end_of_turn_id):
            if not request.finish_reason:
                request.accept(token)
        assert request.text == text
    torn = Request([0], Sampling(3), tokenizer, 128)
    for token in tokenizer.encode("a日")[:3]:
        torn.accept(token)
    assert (torn.text, torn.finish_reason) == ("a\ufffd", "length")


def test_what_ends_a_turn_and_what_ends_a_text_ends_an_answer(engine: DecoderEngine) -> None:
    tokenizer = engine.tokenizer
    assert tokenizer.stop_ids == (tokenizer.end_of_text_id, tokenizer.end_of_turn_id)


def test_an_end_token_ends_the_answer_and_is_not_in_it(engine: DecoderEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    free = engine.generate([PROMPTS[2]], SAMPLED)[0]
    token = next(token for index, token in enumerate(free.ids) if index > 3 and token not in free.ids[:index])
    monkeypatch.setattr(engine.tokenizer, "stop_ids", (*engine.tokenizer.stop_ids, token))
    ended = engine.generate([PROMPTS[2]], SAMPLED)[0]
    assert ended.ids == free.ids[: free.ids.index(token)]
    assert ended.text == engine.tokenizer.decode(ended.ids)
    assert ended.finish_reason == "stop"


def test_an_answer_ends_with_the_context(engine: DecoderEngine) -> None:
    prompt = [0] * 120
    generation = engine.generate([prompt], Sampling(500, temperature=1.0))[0]
    assert (len(generation.ids), generation.finish_reason) == (engine.context_length - 120, "length")


@pytest.mark.parametrize("length", [0, 128, 300])
def test_a_prompt_without_room_for_an_answer_is_refused(engine: DecoderEngine, length: int) -> None:
    with pytest.raises(LmworksError, match=rf"the prompt has {length} tokens; a context of 128"):
        engine.generate([PROMPTS[0], [0] * length], Sampling(5))


def test_no_prompts_no_answers(engine: DecoderEngine) -> None:
    assert engine.generate([], Sampling(5)) == []


def test_log_likelihoods_equal_the_plain_softmax(engine: DecoderEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_module, "BATCH_TOKENS", 64)  # several groups
    monkeypatch.setattr(decoder_module, "LOGIT_ROWS", 10)
    sequences = [*PROMPTS, [0, 5], [0]]
    first = [1, 5, 7, 2, 1, 30, 12, 1, 2, 1]
    results = engine.log_likelihoods(sequences, first)
    for sequence, start, result in zip(sequences, first, results, strict=True):
        log_p = logits_of(engine, sequence).log_softmax(-1)
        expected = [log_p[index - 1, sequence[index]].item() for index in range(start, len(sequence))]
        assert result == pytest.approx(expected, abs=1e-5)


def test_sequences_beyond_the_context_are_refused(engine: DecoderEngine) -> None:
    assert len(engine.log_likelihoods([[0] * 128], [1])[0]) == 127
    with pytest.raises(LmworksError, match="sequence 1: 129 tokens"):
        engine.log_likelihoods([[0], [0] * 129], [1, 1])
    with pytest.raises(LmworksError, match="from token 0 on"):
        engine.log_likelihoods([[0, 5]], [0])


@pytest.mark.parametrize("prompt", [PROMPTS[5], [0]], ids=["long prompt", "one token"])
def test_choices_score_what_their_tokens_score(
    engine: DecoderEngine, prompt: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_module, "BATCH_TOKENS", 200)
    choices = [[7, 8, 9], [4], [], [9] * 30, [5, 6], [5, 7]]
    whole = engine.log_likelihoods([prompt + choice for choice in choices], [len(prompt)] * len(choices))
    assert engine.score_choices(prompt, choices) == pytest.approx([sum(scores) for scores in whole], abs=1e-4)


def test_choices_beyond_the_context_are_refused(engine: DecoderEngine) -> None:
    with pytest.raises(LmworksError, match="a prompt of 120 tokens and a choice of 9"):
        engine.score_choices([0] * 120, [[5] * 9])
    with pytest.raises(LmworksError, match="a prompt of 0 tokens"):
        engine.score_choices([], [[5]])


def test_a_cache_takes_no_more_memory_than_allowed(engine: DecoderEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_module, "CACHE_BYTES", 1)
    batch: RunningBatch = engine.batch(rows=8)
    alone = [engine.generate([prompt], SAMPLED)[0] for prompt in PROMPTS[:3]]
    requests = [batch.add(Writing(prompt, SAMPLED)) for prompt in PROMPTS[:3]]
    while batch.busy:
        assert len(batch.step()) == 1  # one row: the others wait for it
    assert [request.ids for request in requests] == [generation.ids for generation in alone]


def test_probabilities_of_all_tokens_sum_to_one_however_large_the_logits(tmp_path: Path) -> None:
    """Weights are others' files: with logits near 2^27, log Σ exp has no digit left for the number of tokens."""
    engine = open_decoder(make_tiny_model(tmp_path / "tiny"))
    weight = engine.model.output_weight
    with torch.no_grad():
        weight.copy_(weight[7] * 2.0**28 / weight[7].norm())
    tokens = range(len(weight))
    behind = engine.log_likelihoods([[5, 9, token] for token in tokens], [2] * len(tokens))
    chosen = engine.choice_log_likelihoods([([5, 9], [[token] for token in tokens])])[0]
    for scores in (behind, chosen):
        assert sum(math.exp(sum(each)) for each in scores) == pytest.approx(1, abs=1e-3)
    (written,) = engine.generate([[5, 9]], [Sampling(1, temperature=1.0, seed=1, log_probabilities=True)])
    assert written.log_probabilities == pytest.approx([-math.log(len(weight))], abs=1e-3)
