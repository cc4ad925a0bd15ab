"""The command line: quick answers, plain faults, exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from contextlib import redirect_stdout
from importlib import metadata
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import pytest

from e2e.small_recipe import RECIPE, lmworks, make_project, start
from lmworks import cli
from lmworks.terminal import Shown
from quick import few


@pytest.mark.parametrize(
    "arguments", [["--help"], ["plan", "recipe.yaml"], ["status", "recipe.yaml"], ["plan", "recipe.yaml", "--json"]]
)
def test_quick_commands_import_neither_torch_nor_parsers(tmp_path: Path, arguments: list[str]) -> None:
    make_project(tmp_path)
    code = (
        "import sys\nfrom lmworks.cli import main\n"
        f"sys.argv = ['lmworks', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as leave:\n    assert not leave.code\n"
        "heavy = {'torch', 'transformers', 'peft', 'pyarrow', 'tokenizers', 'starlette', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "command",
    [
        *("init", "plan", "build", "status", "show", "trace", "report", "serve", "erase", "gc"),
        *("data find", "data sources", "data inspect", "data report", "data sample"),
    ],
)
def test_every_command_shows_an_example(tmp_path: Path, command: str) -> None:
    shown = lmworks(tmp_path, *command.split(), "--help").stdout
    assert f"Example: lmworks {command}" in re.sub(r"\s+", " ", shown)
    assert "--json" in shown


@pytest.mark.slow
def test_a_recipe_that_comes_with_lmworks_is_listed_and_copied(tmp_path: Path) -> None:
    listed = json.loads(lmworks(tmp_path, "recipes", "--json").stdout)
    assert {"quickstart", "arithmetic", "legal"} <= listed.keys() and all(listed.values())
    lmworks(tmp_path, "init", "sums", "--from", "arithmetic")
    text = (tmp_path / "sums" / "recipe.yaml").read_text()
    assert "lmworks build sums/recipe.yaml" in text
    assert "bits per byte" in lmworks(tmp_path, "plan", "sums/recipe.yaml").stdout
    said = lmworks(tmp_path, "init", "sums", "--from", "arithmetic", code=2).stderr
    assert "sums/recipe.yaml is there already" in said and (tmp_path / "sums" / "recipe.yaml").read_text() == text
    lmworks(tmp_path, "init", "law", "--from", "legal")
    assert (
        "python law/rows.py" in (tmp_path / "law" / "README.md").read_text() and (tmp_path / "law" / "rows.py").exists()
    )
    lmworks(tmp_path, "init", "help", "--from", "chat")
    assert f"path: {sys.prefix}/lib\n" in (tmp_path / "help" / "recipe.yaml").read_text()
    assert "did you mean 'arithmetic'" in lmworks(tmp_path, "init", "x", "--from", "aritmetic", code=2).stderr


def faulty(tmp_path: Path, old: str, new: str, code: int) -> str:
    make_project(tmp_path)
    assert old in RECIPE
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace(old, new))
    return lmworks(tmp_path, "build", "recipe.yaml", code=code).stderr


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    few(
        [
            ("html: text", "htm: text", 2, "recipe.yaml:10: data.clean.htm: unknown field 'htm'; did you mean 'html'?"),
            ("allow: [permissive]", "allow: [MIT]", 3, "Apache-2.0"),
            ("{kind: botocore, path: services}", "{kind: files, path: empty, licence: MIT}", 1, "holds no file"),
            ("steps: 12", "steps: many", 2, "models.pretrain.steps"),
            ("steps: 12", f"steps: 0x{'f' * 4000}", 2, ": a number of 4,002 digits is too long"),
            ("steps: 12", f"steps: {'9' * 400}", 2, "a number of 400 digits is too long"),
            ("name: small", "name: small\nname: big", 2, "'name' occurs twice"),
            ("path: services", "path: absent", 2, "absent"),
            ("{kind: botocore, path: services}", "{kind: files, path: notes}", 3, "licence"),
        ],
        3,
    ),
)
def test_a_fault_is_one_plain_message_and_an_exit_code(
    tmp_path: Path, old: str, new: str, code: int, words: str
) -> None:
    said = faulty(tmp_path, old, new, code)
    assert words in said
    assert "Traceback" not in said


CONTROL = "\x1b]52;c;aGk=\x07\x1b[2Jno\x9b8m\r\u202e"
"""Writes to a clipboard, empties a screen, hides, goes back and turns round, where a terminal believes it."""
SHOWN = r"\u001b]52;c;aGk=\u0007\u001b[2Jno\u009b8m\u000d"


@pytest.mark.slow
def test_control_characters_reach_no_terminal_as_such(tmp_path: Path) -> None:
    make_project(tmp_path)
    escaped = json.dumps(CONTROL)
    (tmp_path / "strange.yaml").write_text(f"name: x\nuse_case: y\n{escaped}: 1\n")
    said = lmworks(tmp_path, "plan", "strange.yaml", code=2).stderr
    assert SHOWN in said and not set("\x1b\x07\x9b\r") & set(said)
    said = lmworks(tmp_path, "plan", f"{CONTROL}.yaml", code=2).stderr
    assert SHOWN in said and "\x1b" not in said
    (tmp_path / CONTROL.replace("/", "")).mkdir()
    (tmp_path / CONTROL.replace("/", "") / "a.bin").write_bytes(b"\0\xff")
    recipe = (tmp_path / "recipe.yaml").read_text()
    recipe = recipe.replace("{kind: botocore, path: services}", f"{{kind: files, path: {escaped}, licence: MIT}}")
    (tmp_path / "names.yaml").write_text(recipe)
    process = lmworks(tmp_path, "build", "names.yaml", code=1)
    assert SHOWN in process.stderr and "\x1b" not in process.stderr + process.stdout


def test_what_is_shown_stays_json_and_keeps_lines_and_letters() -> None:
    stream = StringIO()
    with redirect_stdout(Shown(stream)):
        print(json.dumps({"a": CONTROL + "é\U0001f600"}, ensure_ascii=False), "\tone\ntwo")
    shown = stream.getvalue()
    assert json.loads(shown.split(" \t")[0]) == {"a": CONTROL + "é\U0001f600"}
    assert "é\U0001f600" in shown and shown.endswith("\tone\ntwo\n") and "\x9b" not in shown


def test_what_turns_the_direction_of_writing_reaches_files_but_no_terminal() -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    text = "\u05d0\u200f! \u200ea \u202eb\u202c \u2067c\u2069"
    for stream, expected in (
        (StringIO(), text),
        (Terminal(), "\u05d0\u200f! \u200ea " + r"\u202eb\u202c \u2067c\u2069"),
    ):
        with redirect_stdout(Shown(stream)):
            print(text, end="")
        assert stream.getvalue() == expected


def test_memory_that_runs_out_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise MemoryError

    with patch.object(cli, "app", fail), pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 1
    assert capsys.readouterr().err.startswith("the memory of this machine, or this process's share of it, ran out")


@pytest.mark.whole
def test_bad_records_are_kept_apart_counted_and_shown(tmp_path: Path) -> None:
    make_project(tmp_path)
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed" / "a.jsonl").write_bytes(b'{"text": "a good line of text"}\n{"text": "cut sho')
    (tmp_path / "mixed" / "b.txt").write_bytes(b"bad \xff byte")
    source = "{kind: files, path: mixed, licence: MIT}"
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("{kind: botocore, path: services}", source))
    lmworks(tmp_path, "build", "recipe.yaml", "--until", "raw")
    shown = lmworks(tmp_path, "show", "raw").stdout
    assert shown.count("quarantined") >= 2
    folder = Path(lmworks(tmp_path, "show", "raw", "--path").stdout.strip())
    assert len((tmp_path / folder / "quarantine.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("command", ["serve", "open"])
def test_a_port_that_there_is_not_is_said_plainly(tmp_path: Path, command: str) -> None:
    said = lmworks(tmp_path, command, "--port", "80000", code=2).stderr
    assert "65535" in said and "Traceback" not in said


def test_the_version_and_completion_are_had_by_an_option(tmp_path: Path) -> None:
    assert lmworks(tmp_path, "--version").stdout == f"lmworks {metadata.version('lmworks')}\n"
    assert "--install-completion" in lmworks(tmp_path, "--help").stdout


@pytest.mark.slow
def test_nothing_built_here_is_said_plainly(tmp_path: Path) -> None:
    for command in ("status", "report", "gc", "serve"):
        assert "no recipe was built in this folder" in lmworks(tmp_path, command, code=2).stderr


@pytest.mark.slow
def test_what_was_built_from_above_is_known_in_its_folder(tmp_path: Path) -> None:
    make_project(tmp_path / "inner")
    lmworks(tmp_path, "build", "inner/recipe.yaml", "--until", "raw")
    assert "raw" in lmworks(tmp_path / "inner", "show", "raw").stdout
    assert "raw" in lmworks(tmp_path, "show", "raw").stdout


def test_an_unusable_store_is_said_plainly(tmp_path: Path) -> None:
    make_project(tmp_path)
    (tmp_path / "taken").write_text("a file")
    said = lmworks(tmp_path, "build", "recipe.yaml", "--store", "taken", code=1).stderr
    assert "store cannot be used" in said and "--store" in said


@pytest.mark.whole
def test_two_builds_at_once_share_the_work_and_one_says_that_it_waits(tmp_path: Path) -> None:
    make_project(tmp_path)
    both = [start(tmp_path, "build", "recipe.yaml", "--until", "tokenizer") for _ in range(2)]
    said = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert any("waiting for it to finish" in text for text in said)


@pytest.mark.parametrize("again", [(), pytest.param(("--rebuild", "tokenizer"), marks=pytest.mark.slow)])
@pytest.mark.whole
def test_sigterm_stops_cleanly_and_says_how_to_go_on(tmp_path: Path, again: tuple[str, ...]) -> None:
    make_project(tmp_path)
    process = start(tmp_path, "build", "recipe.yaml", *again)
    assert process.stderr
    for line in process.stderr:
        if line.startswith("[2/"):
            break
    time.sleep(0.1)
    process.terminate()
    rest = process.stderr.read()
    assert process.wait(timeout=60) == 130
    assert "finished work is kept" in rest and " ".join(["To continue, type: lmworks build", *again]) in rest
    assert "raw: reused" in lmworks(tmp_path, "build", "recipe.yaml", "--until", "clean").stderr


@pytest.mark.slow
def test_a_counted_plan_is_shown_before_the_machine_is_measured(tmp_path: Path) -> None:
    make_project(tmp_path)
    done = lmworks(tmp_path, "plan", "recipe.yaml", "--measure", "--set", "plan.measure=true")
    assert "estimated by counting" in done.stderr and "being measured" in done.stderr
    assert "in training, measured" in done.stdout
    assert "being measured" not in lmworks(tmp_path, "plan", "recipe.yaml", "--measure").stderr, "the plan is stored"


@pytest.mark.slow
def test_data_alone_is_built_without_measuring_the_machine(tmp_path: Path) -> None:
    make_project(tmp_path)
    done = lmworks(tmp_path, "build", "recipe.yaml", "--until", "clean", "--set", "plan.measure=true")
    assert "being measured" not in done.stderr


def test_plan_counts_in_json(tmp_path: Path) -> None:
    make_project(tmp_path)
    plan = json.loads(lmworks(tmp_path, "plan", "recipe.yaml", "--json").stdout)
    assert plan["parameters"]["pretrain"] > 0
    assert plan["speed"]["measured"] is False
    assert all(low <= high for low, high in (item["seconds"] for item in plan["predicted"]))


@pytest.mark.parametrize(("stated", "spins"), [({}, "20000"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None")])
def test_threads_that_wait_leave_the_cores_soon_unless_it_is_stated_how(stated: dict[str, str], spins: str) -> None:
    code = "import os, lmworks; print(os.environ.get('GOMP_SPINCOUNT'))"
    kept = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    told = subprocess.run([sys.executable, "-c", code], env=kept | stated, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == spins


TEXTS_RECIPE = """\
name: texts
use_case: counting processes
plan: {measure: false}
data:
  raw:
    kind: ingest
    sources: [{kind: files, path: texts, licence: CC0-1.0}]
    licences: {allow: [CC0-1.0]}
    shard_bytes: 64
"""


@pytest.mark.whole
def test_a_build_uses_as_many_processes_as_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    for number in range(4):
        (tmp_path / "texts" / f"{number}.txt").write_text(f"The text of file {number}. " * 8)
    (tmp_path / "recipe.yaml").write_text(TEXTS_RECIPE)
    code = (
        "import sys\nfrom multiprocessing import forkserver\nfrom lmworks.cli import main\n"
        "try:\n    main()\nexcept SystemExit as leave:\n    assert not leave.code\n"
        "print(forkserver._forkserver._forkserver_pid is not None)"
    )
    for workers, begins_others in (("1", "False"), ("2", "True")):
        command = [sys.executable, "-c", code, "build", "recipe.yaml", "--workers", workers, "--rebuild", "raw"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == begins_others
    assert lmworks(tmp_path, "build", "recipe.yaml", "--workers", "0", code=2).stderr


def test_each_command_is_summarised_in_one_whole_line_of_eighty_columns(tmp_path: Path) -> None:
    cut = [line for line in lmworks(tmp_path, "--help").stdout.splitlines()[1:] if line.endswith("...")]
    assert not cut, "shorten the first sentence of these commands"
