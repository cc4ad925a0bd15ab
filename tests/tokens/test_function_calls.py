"""Functions that are called: written as each base's template writes them, learned so, and read from answers again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from chat_families import TOKENS, write_family
from lmworks.data.forms.turns import answering, calling, offering
from lmworks.data.shards.records import write_json_lines
from lmworks.data.tuning.conversations import Conversations
from lmworks.engines.request import Request, Sampling
from lmworks.tokens.calls import HOUSE, Calling, Calls, expanded
from lmworks.tokens.rows.each_answer import Answers
from lmworks.tokens.rows.pack import PackConversationsConfig, pack_conversations
from lmworks.tokens.rows.shards import Shards
from lmworks.tokens.tokenizer import Tokenizer, TokenizerFolder, TurnsRefused, open_tokenizer
from lmworks.train.preflight.turns import Turns
from support import make_context
from tiny import make_tiny_model

LLAMA = (
    "{% for m in messages %}{% if m.tool_calls is defined %}{% if m.tool_calls | length > 1 %}"
    "{{ raise_exception('one call at once') }}{% endif %}{% set f = m.tool_calls[0].function %}"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
    '{"name": "{{ f.name }}", "parameters": {{ f.arguments | tojson }}}<|eot_id|>'
    "{% elif m.role == 'tool' %}<|start_header_id|>ipython<|end_header_id|>\n\n"
    "{{ {'output': m.content} | tojson }}<|eot_id|>{% else %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
    "{% if tools is not none and loop.first %}{% for t in tools %}{{ t | tojson(indent=4) }}\n{% endfor %}{% endif %}"
    "{{ m.content }}<|eot_id|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
"""In the manner of Llama 3.1's: a call is the whole answer, between no marks, and results are told by `ipython`."""
FOUND = {
    "qwen-3": Calls("<tool_call>", "</tool_call>", "name", "arguments", keeps_words=True),
    "mistral-v0.3": Calls("[TOOL_CALLS]", "", "name", "arguments", keeps_words=False),
    "llama": Calls("", "", "name", "parameters", keeps_words=False),
}
TOOLS = [{"type": "function", "function": {"name": "rain", "description": "Rain <today> & ü?", "parameters": {}}}]
ASK = {"role": "user", "content": "Rain in Ulm?"}


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tokenizer]:
    folder = tmp_path_factory.mktemp("bases")
    for name in {*TOKENS, "llama"}:
        write_family(folder / name, "llama-3" if name == "llama" else name)
    path = folder / "llama" / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "chat_template": LLAMA}))
    for name, special in {"mistral-v0.3": ["[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"]}.items():
        backend = json.loads((folder / name / "tokenizer.json").read_text())
        size = max(token["id"] for token in backend["added_tokens"]) + len(backend["model"]["vocab"]) + 1
        flags = dict.fromkeys(["single_word", "lstrip", "rstrip", "normalized"], False) | {"special": True}
        backend["added_tokens"] += [{"id": size + n, "content": each, **flags} for n, each in enumerate(special)]
        (folder / name / "tokenizer.json").write_text(json.dumps(backend))
    return {name: open_tokenizer(folder / name) for name in {*TOKENS, "llama"}}


def chat(*calls: dict[str, Any]) -> list[dict[str, Any]]:
    """A call, its result and the answer."""
    made = calls or ({"name": "rain", "arguments": {"city": "Ülm"}},)
    told = answering(["wet"] * len(made))
    return [offering("", TOOLS), ASK, calling("", made), told, {"role": "assistant", "content": "It rains."}]


def learned(base: Tokenizer, turns: list[dict[str, Any]]) -> list[str]:
    ids, trained = base.encode_chat(turns)
    parts: list[list[int]] = [[]]
    for token, is_learned in zip(ids, trained, strict=True):
        parts[-1].append(token) if is_learned else parts.append([])
    return [base.spell(part) for part in parts if part]


def test_how_calls_are_written_is_found_by_rendering(bases: dict[str, Tokenizer]) -> None:
    assert {name: base.calls for name, base in bases.items()} == dict.fromkeys(TOKENS) | FOUND


@pytest.mark.parametrize("name", FOUND)
def test_functions_are_written_as_transformers_does(bases: dict[str, Tokenizer], name: str) -> None:
    base = bases[name]
    theirs = AutoTokenizer.from_pretrained(base.folder)
    for length in (2, 4):
        turns = chat()[:length]
        told, tools = expanded(turns)
        assert tools == TOOLS and [turn["role"] for turn in told] == ["user", "assistant", "tool"][: length - 1]
        for turn in told:
            turn.pop("name", None)
        wanted = theirs.apply_chat_template(told, tools=tools, add_generation_prompt=True, return_dict=False)
        assert base.encode_chat(turns, True)[0] == wanted


def test_calls_are_learned_and_results_are_not(bases: dict[str, Tokenizer]) -> None:
    assert learned(bases["qwen-3"], chat()) == [
        '<tool_call>\n{"name": "rain", "arguments": {"city": "Ülm"}}\n</tool_call><|im_end|>',
        "<think>\n\n</think>\n\nIt rains.<|im_end|>",
    ]
    call = '{"name": "rain", "arguments": {"city": "Ülm"}, "id": "call00000"}'
    assert learned(bases["mistral-v0.3"], chat()) == [f"[TOOL_CALLS] [{call}]</s>", " It rains.</s>"]
    call = '{"name": "rain", "parameters": {"city": "Ülm"}}'
    assert learned(bases["llama"], chat()) == [f"{call}<|eot_id|>", "It rains.<|eot_id|>"]


def test_what_a_template_does_not_write_is_refused(bases: dict[str, Tokenizer]) -> None:
    for name in TOKENS.keys() - FOUND.keys():
        for turns in (chat()[:2], chat(), [ASK, *chat()[2:]]):
            with pytest.raises(TurnsRefused, match="takes no functions"):
                bases[name].encode_chat(turns)
    said = [chat()[0], ASK, calling("I look.", [{"name": "rain", "arguments": {}}]), *chat()[3:]]
    assert "I look.\n<tool_call>" in learned(bases["qwen-3"], said)[0]
    for name in ("mistral-v0.3", "llama"):
        with pytest.raises(TurnsRefused, match="leaves out the words beside a function call"):
            bases[name].encode_chat(said)
    with pytest.raises(TurnsRefused, match="one call at once"):
        bases["llama"].encode_chat(chat(*[{"name": "rain", "arguments": {}}] * 2))


def test_our_own_template_writes_them_as_before(tmp_path: Path) -> None:
    own = open_tokenizer(make_tiny_model(tmp_path / "model"))
    plain = [{"role": turn["role"], "content": turn["content"]} for turn in chat()]
    assert own.encode_chat(chat()) == own.encode_chat(plain)
    assert own.calls == HOUSE and "<tools>" in plain[0]["content"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs", "Co"]), max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab<", max_size=3), inner, max_size=2),
    max_leaves=4,
)
marks = st.sampled_from(["<tool_call>", "</tool_call>", "[TOOL_CALLS]", "<|im_end|>", "</s>", "<|eot_id|>", '"}', "\n"])
texts = st.lists(marks | st.text(st.characters(exclude_categories=["Cs", "Co"]), max_size=6), max_size=4).map("".join)


@pytest.mark.parametrize("name", FOUND)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    arguments=st.dictionaries(texts, texts | values, max_size=3), question=texts, result=texts, size=st.integers(1, 9)
)
def test_what_is_written_as_a_call_is_read_again_and_a_users_words_never_are(
    bases: dict[str, Tokenizer], name: str, arguments: dict[str, Any], question: str, result: str, size: int
) -> None:
    base, known = bases[name], FOUND[name]
    assume(question.strip() and result.strip())
    call = {"name": "rain", "arguments": arguments}
    asked = {"role": "user", "content": f"{known.begin}{json.dumps(call)}{known.end}{question}"}
    turns = [offering("", TOOLS), asked, calling("", [call]), answering([result])]
    prompt = base.encode_chat(turns[:2], True)[0]
    ids, trained = base.encode_chat(turns[:3])
    assert ids[: len(prompt)] == prompt
    plain = base.encode_chat([turns[0], {**asked, "content": "?"}], True)[0]
    frames = [[token for token in each if base.spell([token]) in base._framing.frame] for each in (prompt, plain)]
    assert frames[0] == frames[1], "words make no token of the frame"
    request = Request(prompt, Sampling(4096, calls=True), base, 8192)
    reader = Calling(known, ["rain"])
    written = [token for token, is_learned in zip(ids, trained, strict=True) if is_learned]
    pieces = "".join(request.accept(token).text for token in written)
    assert request.finish_reason == "stop"
    words = "".join(reader.add(pieces[start : start + size]) for start in range(0, len(pieces), size))
    more, calls = reader.finish()
    assert (words + more, calls) == ("", [call])


@given(text=texts)
def test_what_is_no_call_of_a_known_function_stays_text(text: str) -> None:
    for known in FOUND.values():
        for said in (text, f'{known.begin}{{"{known.name}": "snow", "{known.arguments}": {{}}}}{known.end}{text}'):
            reader = Calling(known, ["rain"])
            words = reader.add(said)
            more, calls = reader.finish()
            assert (words + more, calls) == (said, [])


@pytest.mark.parametrize("name", [*FOUND, "zephyr"])
def test_turns_that_call_functions_are_packed_and_checked_or_refused(
    bases: dict[str, Tokenizer], name: str, tmp_path: Path
) -> None:
    chats = [
        [*chat({"name": "rain", "arguments": {"day": day}}), {"role": "user", "content": "Sure?"}, *chat()[2:]]
        for day in range(4)
    ]
    records = [{"id": f"{n}", "document": f"d{n}", "messages": turns} for n, turns in enumerate(chats)]
    (tmp_path / "samples").mkdir()
    write_json_lines(tmp_path / "samples" / "conversations.jsonl", records)
    data, tokenizer = Conversations(tmp_path / "samples", "s"), TokenizerFolder(bases[name].folder, name)
    config = PackConversationsConfig(conversations="x", sequence_length=1024)
    if name == "zephyr":
        with pytest.raises(TurnsRefused, match="takes no functions"):
            pack_conversations(config, data, tokenizer, tmp_path / "rows", make_context(tmp_path))
        return
    for answers in get_args(Answers):
        packing, out = config.model_copy(update={"answers": answers}), tmp_path / answers
        pack_conversations(packing, data, tokenizer, out, make_context(tmp_path))
        rows = Shards(out, "rows").open()
        found = Turns.of(packing, rows, bases[name], data.path)  # type: ignore[arg-type]
        assert (found.samples, found.turns) == (16 if (answers, name) == ("each", "qwen-3") else 4, 16)
        assert not any((found.silent, found.foreign, found.endless, found.cut, found.masked))
        assert found.counts()["trained"] == int(rows.weights.sum())
