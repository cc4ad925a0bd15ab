"""Which licence a file states, and of what."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmworks.start.answers import ask_all
from lmworks.start.licences import stated_licence
from lmworks.start.look import look
from start.test_look import sentences, write_csv

MIT = """MIT License

Copyright (c) 2024 The Mill and Sons

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""
OURS = Path(__file__).parents[2] / "LICENSE"


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        (MIT, "MIT"),
        (MIT.replace("\n", "\r\n").replace("MIT License", "The MIT License (MIT)"), "MIT"),
        *(
            (MIT.replace("2024 The Mill and Sons", f"2001-2024, {names}"), "MIT")
            for names in (
                "J. R. Müller, Inc. <j.mueller@example.org> (https://example.org)",
                "by Åsa von der Mühle and contributors. All rights reserved.",
                'Mill Systems Consortium, Inc. ("MSC")',
            )
        ),
        (MIT.replace("2024 The Mill and Sons", "<year> <copyright holders>"), "MIT"),
        (OURS.read_text(encoding="utf-8"), "Apache-2.0"),
        ("SPDX-License-Identifier: MIT\n", "MIT"),
        (f"# SPDX-License-Identifier: MIT\n{MIT}", "MIT"),
        ("SPDX-License-Identifier: (MIT OR Apache-2.0) AND CC-BY-4.0", "(MIT OR Apache-2.0) AND CC-BY-4.0"),
        ("CC-BY-NC-4.0\n", "CC-BY-NC-4.0"),
        ("Creative Commons Attribution 4.0 International\n", "CC-BY-4.0"),
        (
            "This work is licensed under the Creative Commons Attribution-NonCommercial 4.0 International License.",
            "CC-BY-NC-4.0",
        ),
        ("Creative Commons Attribution Non-Commercial ShareAlike 4.0 International", "CC-BY-NC-SA-4.0"),
    ],
)
def test_a_whole_text_and_an_expression_state_a_licence(text: str, licence: str) -> None:
    assert stated_licence(text) == licence


@pytest.mark.parametrize(
    "text",
    [
        "Creative Commons Attribution Non-Commercial 4.0 with exceptions",
        "Not under the Creative Commons Attribution 4.0 International. All rights reserved",
        "Creative Commons Attribution, for members of the club, 4.0 International",
        "Apache License Version 2.0 with Commons Clause",
        f"{OURS.read_text(encoding='utf-8')}\nCommons Clause: the right to sell is not granted.",
        "SPDX-License-Identifier: MIT for scripts only",
        "SPDX-License-Identifier: MIT\nAll else is confidential.",
        "SPDX-License-Identifier: MIT\nSPDX-License-Identifier: GPL-3.0-only",
        f"SPDX-License-Identifier: GPL-3.0-only\n{MIT}",
        MIT.replace("2024 The Mill", "2024 The Mill; not for commercial use"),
        MIT.replace("free of charge, ", "free of charge for research, "),
        MIT.replace("Permission is hereby", "No permission is hereby"),
        f"{MIT}\nExcept for the folder data/, of which all rights are reserved.",
        f"{OURS.read_text(encoding='utf-8')}\n禁止任何商业用途",
        f"{OURS.read_text(encoding='utf-8')}\nКоммерческое использование запрещено.",
        "Creative Commons Attribution 4.0 International\n非商业性使用",
        *(
            MIT.replace("2024 The Mill and Sons", f"2020 {after}")
            for after in (
                "Foo. Granted to Acme Inc. until 2021.",
                "Foo. For internal purposes of Acme.",
                "Foo. gewerbliche Nutzung verboten.",
                "Foo, gewerbliche Nutzung verboten",
                "Foo. GRANTED TO ACME",
                "Foo.Acme Has It",
                "Foo 禁止任何商业用途",
                "Foo " + "And Every One Of His Friends " * 3,
            )
        ),
        "Permission is hereby granted, free of charge, to nobody",
        "free and unencumbered software released into the public domain was not wanted",
        "All rights reserved.",
        "SPDX-License-Identifier: ()",
        "MIT AND AND",
        "MIT OR Apache-2.0 OR",
        "",
    ],
)
def test_what_adds_to_a_licence_or_takes_from_it_is_not_known(text: str) -> None:
    assert stated_licence(text) == ""


@pytest.mark.parametrize(
    "part",
    ["creative commons attribution ", "neither the name of ", "(MIT OR ", "copyright (c) 2 ", "#", "Licence: MIT "],
)
def test_a_text_made_to_take_long_is_read_like_any_other(part: str) -> None:
    assert stated_licence(part * (2**16 // len(part))) == ""


def asked(folder: Path) -> list[str]:
    words: list[str] = []

    def ask(question: str, default: str) -> str:
        words.append(question)
        return default

    ask_all(look(folder), {}, ask, lambda _: None, lambda _: None)
    return [question for question in words if question.startswith("Licence of the files")]


def test_a_licence_holds_for_its_folder_and_those_below_and_for_no_other(tmp_path: Path) -> None:
    package = tmp_path / "modules" / "leftpad"
    package.mkdir(parents=True)
    (package / "LICENSE").write_text(MIT)
    write_csv(package / "more.csv", ["message", "queue"], sentences(90))
    assert look(package).licence == look(tmp_path).licence == "MIT"
    (tmp_path / "secret.txt").write_text("minutes of the board, which nobody may read " * 90)
    assert look(tmp_path).licence is None and asked(tmp_path)
    (tmp_path / "LICENSE").write_text(MIT)
    assert look(tmp_path).licence == "MIT" and not asked(tmp_path)
    (tmp_path / "COPYING").write_text("All rights reserved.")
    assert look(tmp_path).licence is None and asked(tmp_path)


def test_a_licence_with_words_behind_it_is_asked(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("minutes of the board, which nobody may read " * 90)
    (tmp_path / "LICENSE").write_text("SPDX-License-Identifier: MIT for scripts only")
    assert asked(tmp_path)
