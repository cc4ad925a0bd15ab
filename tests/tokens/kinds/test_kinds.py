from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora import make_documents, texts
from lmworks.graph import STEPS
from lmworks.pipeline.stage import Result
from lmworks.tokens.tokenizer import Tokenizer, open_tokenizer
from support import make_context

KINDS = {"bpe": 400, "unigram": 400, "wordpiece": 300, "character": 300}
EXACT = ("bpe", "unigram", "character")
CHAT = [{"role": "user", "content": "What? <|im_end|>"}, {"role": "assistant", "content": "The bucket."}]
LEARN = """
import sys
from pathlib import Path
from test_kinds import KINDS, learn
for kind in KINDS:
    learn(kind, Path(sys.argv[1], kind))
"""


def learn(kind: str, folder: Path) -> Result:
    stage = STEPS[kind]
    documents = make_documents(folder / "documents", [*texts(), "naïve café e\u0301 — 日本語 €5, “quoted”"])
    return stage(stage.config(documents="x", vocab_size=KINDS[kind]), documents, folder / "out", make_context(folder))  # type: ignore[call-arg]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Tokenizer, Result, Path]]:
    folders = {kind: tmp_path_factory.mktemp(kind) for kind in KINDS}
    results = {kind: learn(kind, folder) for kind, folder in folders.items()}
    return {kind: (open_tokenizer(folders[kind] / "out"), results[kind], folders[kind] / "out") for kind in KINDS}


Made = dict[str, tuple[Tokenizer, Result, Path]]


@pytest.mark.parametrize("kind", EXACT)
@given(text=st.text())
def test_any_text_comes_back(made: Made, kind: str, text: str) -> None:
    tokenizer = made[kind][0]
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.unknown_id is None


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.text(alphabet="<|>endoftxim_sar\n unk", max_size=60))
def test_text_never_becomes_a_control_token(made: Made, kind: str, text: str) -> None:
    assert min(made[kind][0].encode("<|im_end|>" + text + "<|endoftext|>")) > 2


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_come_first_and_the_size_is_kept(made: Made, kind: str) -> None:
    tokenizer, result, _ = made[kind]
    assert (tokenizer.end_of_text_id, tokenizer.end_of_turn_id) == (0, 2)
    assert tokenizer.vocab_size == result.counts["ids"] <= KINDS[kind]
    assert tokenizer.encode_chat(CHAT)[0].count(2) == 2


def test_what_cannot_be_encoded_is_unknown_and_counted(made: Made) -> None:
    tokenizer, result, _ = made["wordpiece"]
    assert tokenizer.unknown_id == 3
    assert tokenizer.encode("Ж").count(3) == 1
    expected = sum(tokenizer.encode(text).count(3) for text in [*texts(), "naïve café e\u0301 — 日本語 €5, “quoted”"])
    assert result.counts["sampled unknown tokens"] == expected
    assert "sampled unknown tokens" not in made["bpe"][1].counts


def test_wordpiece_continues_words_with_marked_pieces(made: Made) -> None:
    tokenizer = made["wordpiece"][0]
    assert tokenizer.decode(tokenizer.encode("bucketalarm table\n\n5")) == "bucketalarm table 5"


def test_a_rare_character_takes_bytes(made: Made) -> None:
    tokenizer = made["character"][0]
    assert len(tokenizer.encode("a<0x41>")) == 7
    assert (len(tokenizer.encode("e")), len(tokenizer.encode("Ж")), len(tokenizer.encode("👩"))) == (1, 2, 4)


@pytest.mark.slow
def test_another_process_learns_the_same_bytes(made: Made, tmp_path: Path) -> None:
    here = Path(__file__).parent
    places = os.pathsep.join(map(str, (here, here.parents[1], *sys.path)))
    command = [sys.executable, "-c", LEARN, str(tmp_path)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": places})
    for kind in KINDS:
        for file in made[kind][2].iterdir():
            assert file.read_bytes() == (tmp_path / kind / "out" / file.name).read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_transformers_finds_the_same_ids(made: Made, kind: str) -> None:
    from transformers import AutoTokenizer

    tokenizer, _, folder = made[kind]
    theirs = AutoTokenizer.from_pretrained(folder)
    for text in ("Creates a bucket.\n\nParameters:\nName — naïve 日本 Ж", "  two  spaces\t\n\n\n1234567", ""):
        assert theirs(text, add_special_tokens=False)["input_ids"] == tokenizer.encode(text)
    plain = [{"role": "user", "content": "What?"}]
    assert theirs.apply_chat_template(plain, return_dict=False) == tokenizer.encode_chat(plain)[0]
    assert len(theirs) == tokenizer.vocab_size
