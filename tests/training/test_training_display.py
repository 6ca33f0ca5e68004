"""What a training shows: lines of a log once in a while, a bar on a terminal."""

from __future__ import annotations

import pytest

from ctcasr.training.display import Display
from ctcasr.training.monitor import EpochTotals


class Clock:
    """A clock that stands still until it is set."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


RECORD = {
    "epoch": 1,
    "train_loss": 2.0,
    "dev_loss": 1.5,
    "dev_wer": 0.25,
    "gradient_norm": 1.0,
    "clipped_share": 0.0,
    "seconds": 30.0,
}


def seen(seconds: float) -> EpochTotals:
    return EpochTotals(loss=600.0, size=200.0, train_seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def shown(clock: Clock, moments: list[tuple[float, int]], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the lines of a log after batches of an epoch of 744, done at these seconds."""
    with Display(3, active=True, clock=clock) as display:
        for clock.seconds, done in moments:
            display.batch(1, done, 744, seen(clock.seconds))
    return capsys.readouterr().err.splitlines()


def test_a_log_is_told_after_a_minute_and_then_every_ten(clock: Clock, capsys) -> None:
    moments = [(2.4 * done, done) for done in range(1, 745)]
    assert shown(clock, moments, capsys) == [
        "epoch 1, batch 25 of 744: train loss so far 3.000, 2.4 s a batch, 29 min to the epoch's end",
        "epoch 1, batch 275 of 744: train loss so far 3.000, 2.4 s a batch, 19 min to the epoch's end",
        "epoch 1, batch 525 of 744: train loss so far 3.000, 2.4 s a batch, 9 min to the epoch's end",
    ]


def test_short_epochs_have_their_line_alone(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Display(20, active=True, clock=clock) as display:
        for epoch in range(1, 21):
            for done in (1, 2):
                clock.seconds += 20.0
                display.batch(epoch, done, 2, seen(20.0 * done))
            display.epoch({**RECORD, "epoch": epoch})
    assert len(capsys.readouterr().err.splitlines()) == 1 + 20


def test_other_processes_show_nothing(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Display(3, active=False, clock=clock) as display:
        clock.seconds = 1000.0
        display.batch(1, 10, 744, seen(24.0))
        display.epoch(RECORD)
        display.say(["nothing"])
    assert capsys.readouterr().err == ""


def test_a_terminal_has_a_bar_with_epoch_batch_and_loss(
    clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes the stream for a terminal
    monkeypatch.setenv("COLUMNS", "120")
    with Display(3, active=True, clock=clock) as display:
        clock.seconds = 1000.0
        display.batch(2, 372, 744, seen(1000.0))
    text = capsys.readouterr().err
    assert "epoch 2/3, batch 372/744, loss 3.000" in text
    assert "to the epoch's end" not in text
