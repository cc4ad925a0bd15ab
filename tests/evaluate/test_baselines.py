"""The baseline that compresses."""

from __future__ import annotations

import lzma
import random

import pytest

from lmworks.evaluate.baselines.xz import compressed_bits


def test_xz_measures_the_text_alone_and_what_it_adds() -> None:
    source = random.Random(0)
    before, text = source.randbytes(50_000), source.randbytes(20_000)
    alone, more = compressed_bits(text, before)
    assert alone == 8 * len(lzma.compress(text, preset=9))
    assert more == pytest.approx(8 * len(text), rel=0.01)
    assert compressed_bits(before[:20_000], before)[1] < 0.05 * alone
