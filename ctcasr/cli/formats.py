"""The options of what is written, and whether stdout can hold it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from ctcasr.errors import ConfigError
from ctcasr.runtime.outputs import DEFAULT_LAYOUT, FORMATS, LINES, SUBTITLES
from ctcasr.runtime.subtitles import SubtitleLayout

ALL = "all"

Formats = Annotated[
    list[str] | None,
    typer.Option(
        "-f",
        "--format",
        metavar="NAME",
        help=f"What to write: {', '.join(FORMATS)} or {ALL}; may be given several times, or with commas.",
    ),
]
LineWidth = Annotated[
    int | None,
    typer.Option(min=1, help=f"Characters of a line of subtitles; default: {DEFAULT_LAYOUT.line_width}."),
]
LineCount = Annotated[
    int | None, typer.Option(min=1, help=f"Lines of a subtitle; default: {DEFAULT_LAYOUT.line_count}.")
]


def read_formats(values: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of the formats, each once; `txt` if none is given.

    Raises:
        ConfigError: there is no such format.
    """
    names = [name.strip().lower() for value in values or ["txt"] for name in value.split(",")]
    for name in names:
        if name not in FORMATS and name != ALL:
            raise ConfigError(
                f"--format {name!r}: there is no such format; choose of {', '.join(FORMATS)}, {ALL}"
            )
    return tuple(FORMATS) if ALL in names else tuple(dict.fromkeys(names))


def check_stdout(forms: Sequence[str], recordings: int) -> None:
    """Refuse to mix in one stream what could not be told apart again.

    Raises:
        ConfigError: there are several formats, or several recordings in a format that holds one.
    """
    if len(forms) > 1:
        raise ConfigError(
            f"{len(forms)} formats ({', '.join(forms)}) need a folder each file goes to; add -o DIR"
        )
    if recordings > 1 and forms[0] not in LINES:
        raise ConfigError(
            f"a {forms[0]} file holds one recording, and there are {recordings}; add -o DIR for a file each"
        )


def read_layout(forms: Sequence[str], line_width: int | None, line_count: int | None) -> SubtitleLayout:
    """Return the layout of subtitles.

    Raises:
        ConfigError: one is asked for, and there are no subtitles.
    """
    given = {"line_width": line_width, "line_count": line_count}
    wanted = {name: value for name, value in given.items() if value is not None}
    if wanted and SUBTITLES.isdisjoint(forms):
        option = next(iter(wanted)).replace("_", "-")
        raise ConfigError(
            f"--{option} changes subtitles only, and the format is {', '.join(forms)}; add -f srt, or leave it out"
        )
    return SubtitleLayout(**wanted)
