"""A reward of the user's own: a Python file, run where it can do no harm."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field

from lmworks.errors import UsageError
from lmworks.rewards.reward import Answer, Unscored
from lmworks.rewards.unit_tests import ConfinedReward
from lmworks.sandbox.calls import AVAILABLE, imports
from lmworks.sandbox.run import Returned

FUNCTION, PARAMETERS = "score", ("answer", "reference", "prompt", "ended")
"""Name of the function that the file defines, and names of the parameters that it may take."""
FORM = f"`def {FUNCTION}(answer, reference)`, with the parameters that it needs of {', '.join(PARAMETERS)}"


class PythonReward(ConfinedReward):
    """Result of a function in a Python file. An answer on which it fails gets 0 and is counted."""

    kind: Literal["python"] = "python"
    file: str = Field(
        min_length=1,
        description=f"Python file beside the recipe. It defines {FORM}, and returns a number from 0 to 1. It reads no "
        "file and imports only the standard library.",
    )
    code: str = Field(default="", description="Text of the file, read with the recipe.")

    @property
    def name(self) -> str:
        return Path(self.file).stem

    def resolve(self, folder: Path) -> Self:
        """Return the reward with its file's text. Raises UsageError, with a line, for a file that is no reward."""
        path = folder / self.file
        try:
            code = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"{path}: cannot be read as UTF-8 text ({error}); correct its name in the recipe"
            ) from None
        _asked_for(path, code)
        return self.model_copy(update={"code": code})

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        """Return the score of each answer. Raises LmworksError if programs cannot be confined."""
        wanted = _asked_for(Path(self.file), self.code)
        calls = [{name: value for name, value in _given(each).items() if name in wanted} for each in answers]
        with self.sandbox() as sandbox:
            return [_worth(self.file, each) for each in sandbox.returned(self.code, FUNCTION, calls)]


def _given(answer: Answer) -> dict[str, Any]:
    prompt = [{"role": str(turn["role"]), "content": str(turn["content"])} for turn in answer.prompt]
    return {"answer": answer.text, "reference": answer.reference, "prompt": prompt, "ended": answer.ended}


def _worth(file: str, found: Returned) -> float:
    if found.failure:
        return Unscored(f"{file}: {found.failure}")
    if not isinstance(found.value, int | float) or not 0 <= found.value <= 1:  # NaN neither
        return Unscored(f"{file}: {FUNCTION} returns {_shown(found.value)}; expected a number from 0 to 1")
    return float(found.value)


def _shown(value: Any) -> str:
    try:
        return f"{value!r:.80}"
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return f"a value with a number of thousands of digits, of type {type(value).__name__}"


def _asked_for(path: Path, code: str) -> set[str]:
    """Return the parameters of the function in a file. Raises UsageError."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"{path}:{getattr(error, 'lineno', 0) or 1}: is not Python: {error}") from None
    for line, module, available in imports(tree):
        if not available:
            raise UsageError(
                f"{path}:{line}: imports {module}, which is not available where rewards run; expected some of "
                f"{', '.join(sorted(AVAILABLE))}"
            )
    functions = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == FUNCTION]
    if not functions:
        raise UsageError(f"{path}: has no function `{FUNCTION}`; expected {FORM}")
    given = functions[-1].args
    names = {each.arg for each in (*given.args, *given.kwonlyargs)}
    strange = [*(names - {*PARAMETERS}), *(each.arg for each in given.posonlyargs), *("*" if given.vararg else "")]
    if strange or not names:
        found = f"the parameters {', '.join(sorted(strange))}" if strange else "no parameter"
        raise UsageError(f"{path}:{functions[-1].lineno}: `{FUNCTION}` has {found}; expected {FORM}")
    return names
