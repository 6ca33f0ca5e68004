"""What of the package is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ctcasr.errors import ConfigError


@contextmanager
def training_half(what: str) -> Iterator[None]:
    """Say what to install if a module that is imported inside is missing.

    Imports stand inside, rather than above, where the other verbs are to work without torch, and to start fast.

    Raises:
        ConfigError: `what` needs the extra `train`.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{what} needs {error.name}; install it with `pip install 'ctcasr[train]'`"
        ) from error
