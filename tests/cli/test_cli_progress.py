"""How far a long command is, where nobody sees a bar."""

from __future__ import annotations

import pytest

from ctcasr.cli.progress import LogLines, bar
from ctcasr.pace import duration_text


def test_a_log_is_told_after_a_minute_and_then_every_ten(capsys: pytest.CaptureFixture[str]) -> None:
    done = 0
    lines = LogLines("aligning", 400, lambda: 4.0 * done)
    while done < 400:
        done += 1
        lines.advance()
    assert capsys.readouterr() == (
        "",
        "aligning: 15 of 400, 26 min left\naligning: 165 of 400, 16 min left\naligning: 315 of 400, 6 min left\n",
    )


def test_a_short_command_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for total in (1, 50):
        with bar("aligning", total) as advance:
            for _ in range(total):
                advance()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (99.4, "99 s"),
        (99.5, "2 min"),
        (5969.0, "99 min"),
        (5970.0, "1.7 h"),
        (90_000.0, "25.0 h"),
    ],
)
def test_times_are_told_in_a_unit_that_fits(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
