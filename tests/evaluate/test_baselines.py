"""The baseline that compresses."""

from __future__ import annotations

import lzma
import random
import sys
import time

import psutil
import pytest

from lmworks.evaluate.baselines.xz import bits_behind


def test_xz_measures_what_each_text_alone_adds_behind_another() -> None:
    source = random.Random(0)
    before, text = source.randbytes(50_000), source.randbytes(20_000)
    new, known, twice, nothing = bits_behind(before, [text, before[5_000:25_000], text + text, b""])
    assert new == pytest.approx(8 * len(text), rel=0.01)
    assert known < 0.05 * new and nothing == 0
    assert new < twice < 1.01 * new, "within one text it refers back, and from one text to another it does not"


def test_xz_behind_a_text_is_what_the_program_adds_for_both() -> None:
    words = [f"word{number}" for number in range(500)]
    source = random.Random(0)
    before, *texts = (" ".join(source.choices(words, k=k)).encode() for k in (50_000, 400, 3_000))
    one = len(lzma.compress(before, preset=9))
    for text, bits in zip(texts, bits_behind(before, texts), strict=True):
        assert bits / 8 == pytest.approx(len(lzma.compress(before + text, preset=9)) - one, abs=12, rel=0.01)


def test_a_killed_program_leaves_no_compressor_behind() -> None:
    program = (
        "import os; from lmworks.evaluate.baselines.xz import bits_behind; bits_behind(os.urandom(8 << 20), [b'a'])"
    )
    process = psutil.Popen([sys.executable, "-c", program])
    while not process.children(recursive=True):
        time.sleep(0.05)
    time.sleep(2)
    started = process.children(recursive=True)
    process.kill()
    process.wait()
    _, left = psutil.wait_procs(started, timeout=20)
    for child in left:
        child.kill()
    assert not left
