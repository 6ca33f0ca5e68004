"""How ctcasr compiles its inner loops: once per machine, cached beside the source, without holding the GIL."""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile a function of numbers and arrays with numba on its first call; later processes read the cache."""
    return _compiled(function)


def bare_kernel(function: Function) -> Function:
    """Compile a function that makes no arrays without counting references, which can take most of its time."""
    return _compiled(function, _nrt=False)


def inline_kernel(function: Function) -> Function:
    """Compile a small function into the kernels that call it."""
    return _compiled(function, inline="always")


def _compiled(function: Function, **options: Any) -> Function:
    compiled: Any = numba.njit(cache=True, nogil=True, error_model="numpy", **options)(function)
    # Numba's own stamp is of the function's file alone. A kernel contains the kernels and constants that it has
    # from other files: without their stamp it would stay as it was when an upgrade changes only those.
    compiled._cache._cache_file._source_stamp = _stamp(function)
    result: Function = compiled
    return result


def _stamp(function: Callable[..., Any]) -> bytes:
    """Return a digest of the source files, within the package, that a kernel may have code or constants from."""
    found, left = {function.__module__}, list(_neighbours(function.__module__, function.__globals__))
    while left:
        module = left.pop()
        if module not in found:
            found.add(module)
            left += _neighbours_of_loaded(module)
    return b"".join(_digest(sys.modules[module].__file__ or "") for module in sorted(found))


def _neighbours(module: str, values: dict[str, object]) -> set[str]:
    """Return the modules of the same package in which a module's values were defined."""
    package = module.partition(".")[0] + "."
    origins = (getattr(value, "__module__", None) for value in values.values())
    return {
        name for name in origins if isinstance(name, str) and name.startswith(package) and name in sys.modules
    }


@functools.cache
def _neighbours_of_loaded(module: str) -> tuple[str, ...]:
    return tuple(_neighbours(module, vars(sys.modules[module])))


@functools.cache
def _digest(path: str) -> bytes:
    return hashlib.sha256(Path(path).read_bytes()).digest()[:8]
