"""What `xz -9` makes of a text: a compressor, and so a language model, that anybody has."""

from __future__ import annotations

import lzma
from concurrent.futures import ThreadPoolExecutor


def compressed_bits(text: bytes, before: bytes) -> tuple[int, int]:
    """Bits that `xz -9` needs for a text alone, and bits that it needs more for it after `before`.

    The dictionary of preset 9 (64 MiB) is enlarged where it would not reach back over all of `before`.
    """
    dictionary = max(64 << 20, len(before) + len(text))
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": dictionary}]
    # The compressor releases the interpreter's lock.
    with ThreadPoolExecutor(3) as pool:
        alone, first, both = pool.map(
            lambda content: len(lzma.compress(content, filters=filters)), (text, before, before + text)
        )
    return 8 * alone, 8 * (both - first)
