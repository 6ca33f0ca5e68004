"""What the pictures of the command line share: their look, and how they are written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctcasr.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType

PLOTS = (".png", ".svg")
GREY = "#5f6770"
BLUE, ORANGE, GREEN, VIOLET = "#1f6f8b", "#c4622d", "#4d7c3a", "#8a4f9e"
LINE = (0, (3, 2))
"""The dashes of lines that mark something."""

STYLE: dict[RcKeyType, Any] = {
    "font.size": 9,
    "font.family": "sans-serif",
    "axes.edgecolor": "#b8bec4",
    "axes.labelcolor": "#30363c",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "svg.hashsalt": "ctcasr",  # the same figures make the same file
    "svg.fonttype": "path",
}


def check_plot(path: Path | None) -> None:
    """Raise ConfigError now, if a plot cannot be drawn, rather than after the work."""
    if path is None:
        return
    if path.suffix.lower() not in PLOTS:
        raise ConfigError(f"{path}: cannot be drawn; expected a name that ends in {' or '.join(PLOTS)}")
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.parent}; make it, or choose another")
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder; name a file")
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "pictures need matplotlib; install it with `pip install 'ctcasr[train]'`"
        ) from error


def save(figure: Figure, path: Path) -> None:
    """Write a figure.

    Raises:
        ConfigError: the file cannot be written.
    """
    try:
        # No date: the same figures make the same file.
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else None
        figure.savefig(path, dpi=160, metadata=metadata)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); choose another file") from error
