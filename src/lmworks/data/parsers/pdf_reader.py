"""Reads PDF files in a process of its own, which the system ends when one takes too long: `python -m` this module.

It is given each file as eight bytes of length and the file, and answers with a line of JSON.
"""

from __future__ import annotations

import io
import json
import logging
import os
import resource
import signal
import sys
import threading
import time
from typing import Any, TypedDict

PAGE_SECONDS, FILE_SECONDS = 20, 300
"""Of processor time. Most pages take some hundredths of a second."""
MEMORY_BYTES = 2**32
"""Of address space: a small file may be packed to fill any memory."""
DEPTH = 3
"""Of pictures inside drawings inside a page that are looked for."""


class Pdf(TypedDict):
    """What a file holds."""

    fault: str
    """Why nothing of it is read; "" if something is."""
    texts: list[str]
    """Of each page."""
    faults: list[tuple[int, str]]
    """Pages that cannot be read, from 1, and why."""
    pictures: list[int]
    """Pages without text that hold a picture."""


def read_pdf(raw: bytes, seconds: int = PAGE_SECONDS) -> Pdf:
    """The text of each page. Ends this process when a page takes longer than `seconds`."""
    import pypdf

    found = Pdf(fault="", texts=[], faults=[], pictures=[])
    end = _spent() + FILE_SECONDS
    _give_time(seconds, end)
    try:
        file = pypdf.PdfReader(io.BytesIO(raw))
        if file.is_encrypted:
            found["fault"] = "encrypted PDF: save a copy without a password"
            return found
        pages = list(file.pages)
    except Exception as error:  # a parser of a hostile format raises what it likes
        found["fault"] = f"not a readable PDF: {error}"
        return found
    for number, page in enumerate(pages, 1):
        _give_time(seconds, end)
        text = ""
        try:
            text = page.extract_text().encode(errors="replace").decode()
            if not text.strip() and _has_picture(page, DEPTH):
                found["pictures"].append(number)
        except Exception as error:
            found["faults"].append((number, f"{error or type(error).__name__}"))
        found["texts"].append(text)
    return found


def _has_picture(page: Any, depth: int) -> bool:
    resources = page["/Resources"].get_object() if "/Resources" in page else {}
    named = resources["/XObject"].get_object() if "/XObject" in resources else {}
    drawn = [each.get_object() for each in named.values()]
    kinds = [each.get("/Subtype") for each in drawn]
    return "/Image" in kinds or (bool(depth) and any(_has_picture(each, depth - 1) for each in drawn))


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _give_time(seconds: int, end: float) -> None:
    """The system ends this process by SIGXCPU when that much more processor time is spent."""
    until = int(min(_spent() + seconds, end)) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def main() -> None:
    """Answer until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the business of whoever asks
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it warns of each flaw with words of the file in them
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    threading.Thread(target=_end_after, args=(os.getppid(),), daemon=True).start()
    source = sys.stdin.buffer
    while length := source.read(8):
        raw = source.read(int.from_bytes(length, "big"))
        print(json.dumps(read_pdf(raw, int(sys.argv[1]))), flush=True)


def _end_after(parent: int) -> None:
    """End with the process that asks, also when it is killed while a file is being read."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    main()
