"""How ctcasr compiles its inner loops: once per machine, cached beside the source, without holding the GIL."""

from __future__ import annotations

import functools
import hashlib
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

_IMPORTS = re.compile(r"^ *(?:from|import) +([\w.]+)(?: +import +(\([^)]*\)|.*))?", re.MULTILINE)


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
    compiled: Any = numba.njit(nogil=True, error_model="numpy", **options)(function)
    # RuntimeError: no folder can be written to; AttributeError: NUMBA_DISABLE_JIT. Each process is on its own.
    with suppress(RuntimeError, AttributeError):
        compiled.enable_caching()
    # Numba's own stamp is of the function's file alone. A kernel contains the kernels and constants that it has
    # from other files: without their stamp it would stay as it was when an upgrade changes only those.
    cache = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if cache is not None:
        cache._source_stamp = _stamp(function.__module__)
    result: Function = compiled
    return result


@functools.cache
def _stamp(module: str) -> bytes:
    """Return a digest of the source files of a module and of all that it imports from its package."""
    sources: dict[Path, bytes] = {}
    package = module.partition(".")[0] + "."
    left = [module]
    while left:
        for path in _files(left.pop()):
            if path not in sources:
                sources[path], imported = _read(path)
                left += [name for name in imported if name.startswith(package)]
    return b"".join(sources[path] for path in sorted(sources))


def _files(module: str) -> list[Path]:
    """Return the source file of a module; none if there is no such module."""
    package, *names = module.split(".")
    file = getattr(sys.modules.get(package), "__file__", None)
    if file is None or not names:
        return [Path(file)] if file else []
    place = Path(file).parent.joinpath(*names)
    return [path for path in (place.with_name(place.name + ".py"), place / "__init__.py") if path.is_file()]


@functools.cache
def _read(path: Path) -> tuple[bytes, list[str]]:
    """Return the digest of a source file, and what it may import: modules, or values within them."""
    source = path.read_bytes()
    imported = []
    for origin, names in _IMPORTS.findall(source.decode()):
        imported += [origin, *(f"{origin}.{name}" for name in re.findall(r"\w+", names))]
    return hashlib.sha256(source).digest()[:8], imported
