"""Which forms for other programs each model can have, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmworks.engines.onnx_file import write_onnx
from lmworks.errors import LmworksError
from lmworks.model.folder import ENGINE, FAMILY, load_model, require_form, save_model, write_json
from lmworks.model.gguf import write_gguf
from readers import write_reader
from task_bench import make_models


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model of each family, and of each engine that is not PyTorch's."""
    folder = tmp_path_factory.mktemp("kinds")
    found = {name: model.path for name, model in make_models(folder / "trained").items()}
    found |= {kind: write_reader(folder / kind, kind) for kind in ("encoder", "sequence classifier")}
    labels = ("dry", "wet")
    sorter = load_model(found["decoder"], labels=labels)
    save_model(sorter, folder / "decoding sorter", found["decoder"])
    found["decoding sorter"] = folder / "decoding sorter"
    for name, family in (
        ("bag-of-words", "sequence classifier"),
        ("dictionary", "token classifier"),
    ):
        found[name] = folder / name
        found[name].mkdir()
        write_json(found[name] / "config.json", {ENGINE: name, FAMILY: family})
    return found


FORMS_OF = {
    "decoder": ["gguf", "onnx"],
    "published": ["onnx"],
    "judge": [],
    "t5": [],
    "sorter": ["onnx"],
    "decoding sorter": ["onnx"],
    "tagger": ["onnx"],
    "encoder": ["onnx"],
    "sequence classifier": ["onnx"],
    "bag-of-words": [],
    "dictionary": [],
}


@pytest.mark.parametrize("form", ["gguf", "onnx"])
@pytest.mark.parametrize("kind", FORMS_OF)
def test_a_model_is_written_in_a_form_that_it_can_have_or_refused_in_words(
    kinds: dict[str, Path], kind: str, form: str, tmp_path: Path
) -> None:
    write = {"gguf": write_gguf, "onnx": write_onnx}[form]
    if form in FORMS_OF[kind]:
        require_form(kinds[kind], form)  # type: ignore[arg-type]
        if form == "gguf":
            write(kinds[kind], tmp_path / "file")
            assert (tmp_path / "file").stat().st_size
        return
    with pytest.raises(LmworksError) as refused:
        write(kinds[kind], tmp_path / "file")
    words = f"cannot be written as {form.upper()}, which is for"
    assert words in str(refused.value) and "model_type" not in str(refused.value)
    assert not [*tmp_path.iterdir()]
