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
from numba.core.caching import FunctionCache
from numba.core.runtime import rtsys

Function = TypeVar("Function", bound=Callable[..., Any])

_IMPORTS = re.compile(r"^ *(?:from|import) +([\w.]+)(?: +import +(\([^)]*\)|.*))?", re.MULTILINE)


def kernel(function: Function) -> Function:
    """Compile a function of numbers and arrays with numba on its first call; later processes read the cache."""
    return _compiled(function)


def bare_kernel(function: Function) -> Function:
    """Compile a function that makes no arrays without counting references, which can take most of its time."""
    return _compiled(function, _nrt=False)


def inline_kernel(function: Function) -> Function:
    """Compile a small function into the kernels that call it, whose cache holds it."""
    return _compiled(function, inline="always")


def _compiled(function: Function, **options: Any) -> Function:
    compiled: Any = numba.njit(nogil=True, error_model="numpy", **options)(function)
    if not numba.config.DISABLE_JIT and "inline" not in options:
        with suppress(RuntimeError):  # no folder can be written to: each process is on its own
            compiled._cache = _KernelCache(function)
            compiled._cache.makes_arrays = options.get("_nrt", True)
    result: Function = compiled
    return result


class _KernelCache(FunctionCache):  # type: ignore[misc]  # numba has no types
    """Machine code on disk, as numba keeps it, but for what it is compared with and how it is loaded."""

    makes_arrays: bool

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Load a kernel without numba's registries of all that could be compiled, which take 0.25 s to fill.

        A kernel that is not in the cache is compiled, and the compiler fills them itself.
        """
        # Numba's own stamp is of the function's file alone. A kernel contains the kernels and constants that it
        # has from other files: without their stamp it would stay as it was when an upgrade changes only those.
        self._cache_file._source_stamp = _stamp(self._py_func.__module__)
        if self.makes_arrays:
            rtsys.initialize(target_context)  # memory management, which machine code does need
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)


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


@functools.cache
def _files(module: str) -> tuple[Path, ...]:
    """Return the source file of a module; none if there is no such module."""
    package, *names = module.split(".")
    file = getattr(sys.modules.get(package), "__file__", None)
    if file is None or not names:
        return (Path(file),) if file else ()
    place = Path(file).parent.joinpath(*names)
    return tuple(
        path for path in (place.with_name(place.name + ".py"), place / "__init__.py") if path.is_file()
    )


@functools.cache
def _read(path: Path) -> tuple[bytes, list[str]]:
    """Return the digest of a source file, and what it may import: modules, or values within them."""
    source = path.read_bytes()
    imported = []
    for origin, names in _IMPORTS.findall(source.decode()):
        imported += [origin, *(f"{origin}.{name}" for name in re.findall(r"\w+", names))]
    return hashlib.sha256(source).digest()[:8], imported
