"""How ctcasr compiles its inner loops: once per machine, cached beside the source, without holding the GIL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile a function of numbers and arrays with numba on its first call; later processes read the cache."""
    compiled: Function = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    return compiled


def bare_kernel(function: Function) -> Function:
    """Compile a function that makes no arrays without counting references, which can take most of its time."""
    compiled: Function = numba.njit(cache=True, nogil=True, error_model="numpy", _nrt=False)(function)
    return compiled


def inline_kernel(function: Function) -> Function:
    """Compile a small function into the kernels that call it."""
    compiled: Function = numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")(function)
    return compiled
