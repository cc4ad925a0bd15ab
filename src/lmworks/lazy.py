"""Large libraries that are loaded at their first use, so that commands without them start at once."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["NDArray", "np", "pa", "pc", "pq", "tokenizers", "torch"]


class _Lazy(ModuleType):
    """Placeholder for a module. After its first use, a name costs no more time than a name of the module itself."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(import_module(self.__name__), name)
        setattr(self, name, found)
        return found


if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    import tokenizers
    import torch
    from numpy.typing import NDArray
else:
    np, pa, pc, pq = map(_Lazy, ("numpy", "pyarrow", "pyarrow.compute", "pyarrow.parquet"))
    tokenizers, torch = map(_Lazy, ("tokenizers", "torch"))
    NDArray = Any  # annotations alone name it
