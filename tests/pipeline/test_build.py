"""Building: reuse, staleness in words, kills, locks."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import re
import resource
import signal
import time
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field

from lmworks.errors import LmworksError, Stopped
from lmworks.pipeline.build import Build, Environment, Node
from lmworks.pipeline.display import PlainDisplay
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.files import full_disk_in_words, write_atomically
from lmworks.pipeline.lineage import Lineage, remove, unused
from lmworks.pipeline.record import BuildRecord
from lmworks.pipeline.stage import Context, Handle, Result, Role, stage
from lmworks.pipeline.store import Store, locked
from lmworks.recipe.schema import Reference, StepConfig


class Words(Handle):
    def read(self) -> str:
        return (self.path / "words.txt").read_text()


class SourceConfig(StepConfig):
    kind: Literal["source"] = "source"
    text: str = "a b c"


class ChangeConfig(StepConfig):
    kind: Literal["change"] = "change"
    words: Reference = Field(alias="from")
    case: Literal["upper", "lower"] = "upper"


class JoinConfig(StepConfig):
    kind: Literal["join"] = "join"
    many: list[Reference]
    spare: Reference | None = None


@stage(version=1)
def source(config: SourceConfig, out: Path, context: Context) -> Result:
    for part in ("left", "right"):
        (out / part).mkdir()
        (out / part / "words.txt").write_text(f"{config.text} {'' if part == 'left' else 'r'}")
    return Result(counts={"words": len(config.text.split())})


@stage(version=1, reads="words")
def change(config: ChangeConfig, words: Words, out: Path, context: Context) -> Result:
    text = words.read().strip()
    (out / "words.txt").write_text(text.upper() if config.case == "upper" else text.lower())
    return Result(figures=[Figure(name="length", value=len(text), n=1, method="characters")], measured={"speed": 2.0})


@stage(version=1, reads=("many", "spare"))
def join(config: JoinConfig, many: list[Words], spare: Words | None, out: Path, context: Context) -> Result:
    (out / "words.txt").write_text("+".join(words.read() for words in many))
    return Result()


def nodes(text: str = "a b c", case: Literal["upper", "lower"] = "upper") -> list[Node]:
    return [
        Node("raw", source, SourceConfig(text=text)),
        Node("left", change, ChangeConfig(words="raw.left", case=case), {"words": "raw.left"}),
        Node("right", change, ChangeConfig(words="raw.right"), {"words": "raw.right"}),
        Node("both", join, JoinConfig(many=["left", "right"]), {"many": ["left", "right"], "spare": None}),
    ]


@stage(version=1, reads="words")
def count(config: ChangeConfig, words: Words, out: Path, context: Context) -> Result:
    (out / "words.txt").write_text(f"{len(words.read())} {config.case}")
    return Result()


class Lines:
    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None: ...


def build(folder: Path, graph: list[Node]) -> tuple[Build, str]:
    store = Store(folder)
    previous = store.builds.get("test")
    state = Build(store, graph, previous.steps if previous else {})
    lines = Lines()
    display = PlainDisplay(lines)  # type: ignore[arg-type]
    environment = Environment(check_stop=lambda: None, workers=1)
    for index, node in enumerate(graph, start=1):
        artifact, _ = state.look(node)
        if artifact:
            display.reused(node.name, index, len(graph))
        else:
            state.run(node, display, (index, len(graph)), environment)
    store.builds.save("test", BuildRecord(recipe="test", steps=state.steps))
    return state, lines.text


def made(said: str) -> list[str]:
    return [
        line.split("] ")[1].split(":")[0] for line in said.splitlines() if line.startswith("[") and "reused" not in line
    ]


def test_a_second_build_makes_nothing(tmp_path: Path) -> None:
    build(tmp_path, nodes())
    _, said = build(tmp_path, nodes())
    assert made(said) == []


@stage(version=1)
def untidy(config: SourceConfig, out: Path, context: Context) -> Result:
    (out / "words.txt").write_text("whole")
    (out / ".words.txt.123@elsewhere").write_text("hal")
    return Result()


def test_what_a_worker_left_half_written_is_not_published(tmp_path: Path) -> None:
    state, _ = build(tmp_path, [Node("raw", untidy, SourceConfig())])
    assert not list(state.artifacts["raw"].payload.glob(".*"))
    assert set(state.artifacts["raw"].manifest.files) >= {"words.txt", "counts.json"}
    assert not any("elsewhere" in name for name in state.artifacts["raw"].manifest.files)


def test_a_changed_field_rebuilds_what_is_below_it_and_says_why(tmp_path: Path) -> None:
    build(tmp_path, nodes())
    _, said = build(tmp_path, nodes(case="lower"))
    assert made(said) == ["left", "both"]
    assert "left: case changed from its default to lower" in said
    assert "both: input many changed" in said


def test_steps_of_an_older_version_are_named_with_what_to_do(tmp_path: Path) -> None:
    state, _ = build(tmp_path, nodes())
    assert Build(Store(tmp_path), nodes(), state.steps).outdated() == ""
    older = {
        name: record.model_copy(update={"parts": record.parts.model_copy(update={"version": 0})})
        for name, record in state.steps.items()
        if name in ("raw", "left")
    }
    said = Build(Store(tmp_path), nodes(), {**state.steps, **older}).outdated()
    assert said == "An older lmworks made raw, left. `lmworks build` makes them, and what reads them, again."


def test_equal_output_stops_a_rebuild(tmp_path: Path) -> None:
    build(tmp_path, nodes("a b c"))
    _, said = build(tmp_path, nodes("A B C"))
    assert made(said) == ["raw", "left", "right"]  # the upper-cased words are the same


def test_the_digest_of_a_part_ignores_the_other_part(tmp_path: Path) -> None:
    state, _ = build(tmp_path, nodes())
    raw = state.artifacts["raw"]
    assert raw.digest("left") != raw.digest("right")
    assert raw.digest("left") == build(tmp_path / "other", nodes())[0].artifacts["raw"].digest("left")


def test_manifest_names_inputs_files_versions_and_keeps_times_apart(tmp_path: Path) -> None:
    manifest = build(tmp_path, nodes())[0].artifacts["left"].manifest
    (record,) = manifest.inputs["words"]
    assert (record.part, record.role) == ("left", Role.READS)
    assert set(manifest.files) == {"words.txt", "figures.json", "counts.json", "examples.jsonl"}
    assert manifest.figures == (Figure(name="length", value=5, n=1, method="characters"),)
    assert manifest.run.measured == {"speed": 2.0}
    assert "torch" in manifest.libraries


def test_lineage_walks_to_the_source_and_gc_finds_what_no_build_names(tmp_path: Path) -> None:
    state, _ = build(tmp_path, nodes())
    above = Lineage(state.store).ancestors(state.artifacts["both"])
    assert [item.step for item in above] == ["raw", "left", "right", "both"]
    assert [waste for waste in unused(state.store) if "work" not in waste.label] == []
    build(tmp_path, nodes(case="lower"))
    old = [waste for waste in unused(state.store) if "work" not in waste.label]
    assert sorted(waste.label.split(" ")[0] for waste in old) == ["both", "left"]
    for waste in old:
        remove(waste)


def test_what_an_artifact_in_use_was_made_from_is_no_waste(tmp_path: Path) -> None:
    first, _ = build(tmp_path, nodes())
    changed, later = Build(Store(tmp_path), nodes("d e f")), Environment(check_stop=lambda: None, workers=1)
    changed.run(nodes("d e f")[0], PlainDisplay(Lines()), (1, 4), later)  # type: ignore[arg-type]
    record = BuildRecord(recipe="test", steps={**first.steps, **changed.steps})  # as of a build that was stopped there
    first.store.builds.save("test", record)
    assert unused(first.store) == []
    above = Lineage(first.store).ancestors(first.artifacts["both"])
    assert above[0].artifact == first.artifacts["raw"]


def test_unfinished_work_is_told_apart_and_locks_are_no_work(tmp_path: Path) -> None:
    state, _ = build(tmp_path, nodes())
    assert unused(state.store) == [], "the locks of finished steps"
    work = state.store.work("0123456789abcdef")
    (work / "step").write_text("slow")
    (work / "progress.jsonl").write_text("{}\n")
    (waste,) = unused(state.store)
    assert waste.is_unfinished and waste.label == "unfinished work of slow (0123456789ab)"
    (work / "progress.jsonl").rename(work / "half-written")
    (waste,) = unused(state.store)
    assert not waste.is_unfinished and waste.path == work


def test_an_artifact_is_named_by_step_or_digest(tmp_path: Path) -> None:
    state, _ = build(tmp_path, nodes())
    left = state.artifacts["left"]
    assert state.store.named("left").folder == left.folder
    assert state.store.named(left.digest()[:10]).folder == left.folder
    with pytest.raises(LmworksError, match="steps of the last build: raw, left, right, both"):
        state.store.named("middle")


class SlowConfig(StepConfig):
    kind: Literal["slow"] = "slow"
    pieces: int = 6


@stage(version=1)
def slow(config: SlowConfig, out: Path, context: Context) -> Result:
    done = {record["file"] for record in context.journal.records()}
    for index in range(config.pieces):
        name = f"{index}.txt"
        if name not in done:
            (out / name).write_text(str(index))
            with (out.parent.parent.parent / "trace.txt").open("a") as file:
                file.write(f"{index}\n")
            context.journal.append({"file": name})
            time.sleep(0.05)
        context.check_stop()
    return Result()


def _build_slow(folder: str) -> None:
    build(Path(folder), [Node("slow", slow, SlowConfig())])


def test_a_killed_step_goes_on_from_its_journal_and_ends_the_same(tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=_build_slow, args=(str(tmp_path / "a"),))
    process.start()
    trace = tmp_path / "a" / "trace.txt"
    while not trace.exists() or len(trace.read_text().split()) < 3:
        time.sleep(0.005)
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    state, _ = build(tmp_path / "a", [Node("slow", slow, SlowConfig())])
    other, _ = build(tmp_path / "b", [Node("slow", slow, SlowConfig())])
    assert state.artifacts["slow"].digest() == other.artifacts["slow"].digest()
    pieces = trace.read_text().split()
    assert sorted(set(pieces)) == ["0", "1", "2", "3", "4", "5"]
    assert len(pieces) <= 7, "at most the piece under way is done twice"


def test_two_builds_at_once_make_a_step_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_build_slow, args=(str(tmp_path),)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert sorted((tmp_path / "trace.txt").read_text().split()) == ["0", "1", "2", "3", "4", "5"]


def test_a_stop_keeps_finished_pieces(tmp_path: Path) -> None:
    node = Node("slow", slow, SlowConfig())
    calls = iter([None, None, None, True])

    def check_stop() -> None:
        if next(calls, True):
            raise Stopped("stopped")

    state = Build(Store(tmp_path), [node])
    with pytest.raises(Stopped):
        state.run(node, PlainDisplay(Lines()), (1, 1), Environment(check_stop, 1))  # type: ignore[arg-type]
    build(tmp_path, [node])
    assert (tmp_path / "trace.txt").read_text().split() == ["0", "1", "2", "3", "4", "5"]


def test_an_unreadable_store_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file, not a folder")
    with pytest.raises(LmworksError, match=r"store cannot be used .* name another store with --store"):
        Store(tmp_path / "store")


def test_a_manifest_cut_short_is_said_plainly(tmp_path: Path) -> None:
    state, _ = build(tmp_path, nodes())
    path = state.artifacts["left"].folder / "manifest.json"
    path.write_text(path.read_text()[:50])
    with pytest.raises(LmworksError, match="cannot be read"):
        build(tmp_path, nodes())


def test_a_full_disk_fails_with_the_path_and_loses_no_artifact(tmp_path: Path) -> None:
    import resource

    build(tmp_path, nodes())
    before = {artifact.folder for artifact in Store(tmp_path).all()}

    def fill() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
        build(tmp_path, nodes("words that need more than ten bytes of room"))

    process = multiprocessing.get_context("fork").Process(target=fill)
    process.start()
    process.join()
    assert process.exitcode == 1
    assert {artifact.folder for artifact in Store(tmp_path).all()} == before
    _, said = build(tmp_path, nodes("words that need more than ten bytes of room"))
    assert made(said) == ["raw", "left", "right", "both"]


def test_a_figure_needs_n_and_method() -> None:
    with pytest.raises(TypeError):
        Figure(name="score", value=1.0)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="n is 0"):
        Figure(name="score", value=1.0, n=0, method="counted")
    with pytest.raises(ValueError, match="needs a method"):
        Figure(name="score", value=1.0, n=3, method="")
    figure = Figure(name="score", value=1.0, n=3, method="counted", interval=(0.5, 1.5))
    assert Figure.from_json(json.loads(json.dumps(figure.as_json()))) == figure


def counted(case: Literal["upper", "lower"]) -> list[Node]:
    config = ChangeConfig(words="left", case=case)
    return [
        *nodes()[:2],
        Node("count", count, config, {"words": "left"}),
        Node("raw/count", count, ChangeConfig(words="raw.right", case=case), {"words": "raw.right"}),
    ]


def test_a_flipped_bit_of_an_input_is_refused_by_the_name_of_the_file(tmp_path: Path) -> None:
    state, _ = build(tmp_path, counted("upper"))
    for name, file in (("left", "words.txt"), ("raw", "right/words.txt")):
        path = state.artifacts[name].payload / file
        sound, facts = path.read_bytes(), path.stat()
        path.write_bytes(bytes([sound[0] ^ 4]) + sound[1:])
        with pytest.raises(LmworksError, match=rf"{file}: differs from its digest .*--rebuild {name}"):
            build(tmp_path, counted("lower"))
        path.unlink()
        with pytest.raises(LmworksError, match=rf"{file}: No such file.*--rebuild {name}"):
            build(tmp_path, counted("lower"))
        path.write_bytes(sound)
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    other = state.artifacts["raw"].payload / "left" / "words.txt"
    other.write_text("of another part, which nothing reads")
    _, said = build(tmp_path, counted("lower"))
    assert made(said) == ["raw/count"]


def test_work_that_was_left_is_told_from_work_that_goes_on(tmp_path: Path) -> None:
    graph = nodes()[:2]
    state = Build(Store(tmp_path), graph)
    assert state.under_way(graph[0]) is state.under_way(graph[1]) is None
    parts = state.resolve(graph[0])
    assert parts
    work = state.store.work(parts.key)
    with locked(work / "lock", print):
        assert state.under_way(graph[0]) == ("running", work)
    assert state.under_way(graph[0]) is None, "nothing of it is kept"
    (work / "progress.jsonl").write_text("{}\n")
    assert state.under_way(graph[0]) == ("stopped", work)
    state, _ = build(tmp_path, graph)
    assert state.under_way(graph[0]) is None


def run_on_a_full_disk(folder: Path, said: Any) -> None:
    """In a process of its own: files may grow to 100 kB only, then without end."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for name in ("file", "atomic", "journal"):
        graph = [Node(name, wide, SourceConfig(text=name))]
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        try:
            build(folder, graph)
        except LmworksError as error:
            said.put(str(error))
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        _, lines = build(folder, graph)
        said.put(lines)


@stage(version=1)
def wide(config: SourceConfig, out: Path, context: Context) -> Result:
    if config.text == "file":
        (out / "words.txt").write_bytes(bytes(200_000))
    elif config.text == "atomic":
        write_atomically(out / "words.txt", "a" * 200_000)
    else:
        context.journal.append({"words": "a" * 200_000})
    return Result()


def test_a_full_disk_is_told_with_the_file_and_costs_nothing_else(tmp_path: Path) -> None:
    processes = multiprocessing.get_context("spawn")
    said = processes.Queue()
    child = processes.Process(target=run_on_a_full_disk, args=(tmp_path, said))
    child.start()
    for name, file in (("file", ""), ("atomic", "/out/words.txt"), ("journal", "/progress.jsonl")):
        error, lines = (said.get(timeout=60) for _ in range(2))
        words = rf"^{name}: .*/work/\w+{file}: File too large: .* free.*may have .* bytes .`ulimit -f`.*same command"
        assert re.search(words, error) and "Make room" not in error, error
        assert "\n" not in error and f"{name}: done in" in lines
    child.join()


def test_where_room_is_lacking_room_is_to_be_made(tmp_path: Path) -> None:
    for error in (OSError(errno.ENOSPC, "full", "x.bin"), RuntimeError("No space left on device (os error 28)")):
        words = r"step: .*No space left.* Make room \(`lmworks gc`.*same command"
        with pytest.raises(LmworksError, match=words), full_disk_in_words(tmp_path, "step"):
            raise error


def test_a_store_that_cannot_be_written_answers_who_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(tmp_path, nodes())
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    store = Store(tmp_path)
    assert Lineage(store).ancestors(store.named("both"))[0].step == "raw"


def test_a_step_that_is_rebuilt_begins_from_nothing(tmp_path: Path) -> None:
    node = Node("slow", slow, SlowConfig(pieces=2))
    state, _ = build(tmp_path, [node])
    parts = state.resolve(node)
    assert parts
    work = state.store.work(parts.key)
    (work / "out").mkdir()
    (work / "out" / "0.txt").write_text("damaged")
    (work / "progress.jsonl").write_text('{"file": "0.txt"}\n')
    lines = Lines()
    environment = Environment(check_stop=lambda: None, workers=1)
    again = state.run(node, PlainDisplay(lines), (1, 1), environment, again=True)  # type: ignore[arg-type]
    assert (again.payload / "0.txt").read_text() == "0"
    assert "slow: begins anew: what was unfinished of it is deleted" in lines.text
    lines = Lines()
    state.run(node, PlainDisplay(lines), (1, 1), environment, again=True)  # type: ignore[arg-type]
    assert "begins anew" not in lines.text
