"""The coach: what it says of which records, that it says each thing once, and that a healthy run is left alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ctcasr.errors import DataError
from ctcasr.training.coach import COACH, Coach, CoachLog
from ctcasr.training.coach_rules import RULES
from ctcasr.training.config import DataSettings, TrainingConfig
from ctcasr.training.records import Record

EPOCHS, STEPS, UTTERANCES = 80, 75, 900
HERE = Path(__file__).parent
TYPICAL = {rule.name for rule in RULES if rule.typical}


def config() -> TrainingConfig:
    return TrainingConfig(data=DataSettings(train=Path("train.jsonl"), dev=Path("dev.jsonl")))


def healthy(epoch: int) -> Record:
    """Return what a run that goes well might write: seven epochs all blank, then the loss falls."""
    blank, past = epoch <= 7, max(0, epoch - 7)
    return {
        "epoch": epoch,
        "steps": STEPS * epoch,
        "learning_rate": 1e-3,
        "train_loss": 2.9 + 2.0 / epoch if blank else 0.25 + 2.7 * 0.85**past,
        "dev_loss": 2.8 if blank else 0.2 + 2.6 * 0.85**past,
        "dev_wer": 1.0 if blank else 0.08 + 0.92 * 0.85**past,
        "dev_cer": 1.0 if blank else 0.04 + 0.9 * 0.8**past,
        "train_wer": 1.0 if blank else 0.02 + 0.9 * 0.83**past,
        "blank_share": 1.0 if blank else 0.7,
        "gradient_norm": 3.0,
        "clipped_share": 0.98 if epoch == 1 else 0.2,
        "left_out": 1,
        "train_seconds": 15.0,
        "waiting_seconds": 3.0,
    }


def said(records: Sequence[Record], settings: TrainingConfig | None = None) -> list[tuple[int, str, str]]:
    """Return epoch, name and words of all that is said."""
    found = []
    for sentence in Coach(settings or config(), UTTERANCES, records).sentences:
        place, _, words = sentence.partition(": ")
        epoch, _, name = place.removeprefix("epoch ").partition(", ")
        found.append((int(epoch), name, words))
    return found


def run(change: Callable[[int], Record] = lambda _: {}, epochs: int = EPOCHS) -> list[Record]:
    """Return the records of a run; `change` gives what is different in each epoch."""
    return [healthy(epoch) | change(epoch) for epoch in range(1, epochs + 1)]


def test_a_healthy_run_hears_only_that_the_blank_phase_is_typical_and_over() -> None:
    assert [(epoch, name) for epoch, name, _ in said(run())] == [(1, "all blank"), (8, "no longer blank")]
    assert {"all blank", "no longer blank"} == TYPICAL


def test_a_run_that_is_never_blank_hears_nothing() -> None:
    assert said(run(lambda epoch: {"blank_share": 0.7, "dev_cer": 0.5 * 0.9**epoch})) == []


WRONG: dict[str, tuple[Callable[[int], Record], int, str]] = {
    "blank for long": (
        lambda epoch: healthy(min(epoch, 7)) | {"epoch": epoch, "steps": 75 * epoch},
        40,
        "3000",
    ),
    "left out": (lambda _: {"left_out": 9}, 1, "9 of 900 training utterances (1.0 %)"),
    "always clipped": (
        lambda epoch: {"clipped_share": 0.97 if epoch > 20 else 0.2, "gradient_norm": 23.0},
        25,
        "median norm 23, optimizer.clip_norm 5",
    ),
    "learned by heart": (
        lambda epoch: {"dev_wer": 0.45, "train_wer": 0.03} if epoch > 30 else {},
        33,
        "45 % on dev but 3 %",
    ),
    "rate too high": (
        lambda epoch: {"train_loss": 2.0 + 0.1 * epoch} if epoch > 40 else {},
        42,
        "lower optimizer.learning_rate (0.002)",
    ),
    "rate too low": (
        lambda epoch: {"blank_share": 0.6, "dev_cer": 0.8, "train_loss": 4 * 0.998**epoch},
        6,
        "hardly fallen (3.99 to 3.95)",
    ),
    "waiting for audio": (lambda _: {"waiting_seconds": 9.0}, 5, "raise batches.workers (0)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_thing_is_said_once_and_when_it_shows(name: str) -> None:
    change, epoch, words = WRONG[name]
    found = [entry for entry in said(run(change)) if entry[1] not in TYPICAL]
    assert [entry[1] for entry in found].count(name) == 1
    (entry,) = (entry for entry in found if entry[1] == name)
    assert entry[0] == epoch
    assert words in entry[2]
    assert {other for _, other, _ in found} == {name}


def test_the_documentation_knows_all_that_is_said_and_recorded() -> None:
    text = (Path(__file__).parents[2] / "docs/training.md").read_text(encoding="utf-8")
    assert all(f"| **{rule.name}** |" in text for rule in RULES)
    assert all(f"`{name}`" in text for name in healthy(1))


def test_every_rule_is_tried_here() -> None:
    assert {rule.name for rule in RULES} == TYPICAL | set(WRONG)


def test_two_wrong_things_are_both_said() -> None:
    records = run(lambda _: {"left_out": 9, "waiting_seconds": 9.0})
    assert [name for _, name, _ in said(records)] == [
        "all blank",
        "left out",
        "waiting for audio",
        "no longer blank",
    ]


def test_a_single_bad_epoch_is_no_trend() -> None:
    spike = {"train_loss": 9.0, "clipped_share": 1.0, "waiting_seconds": 15.0, "dev_wer": 0.9}
    records = run(lambda epoch: spike if epoch == 50 else {})
    assert {name for _, name, _ in said(records)} == TYPICAL


def test_a_loss_near_zero_may_double() -> None:
    records = run(lambda epoch: {"train_loss": 0.03 + 0.03 * (epoch % 10 > 4)} if epoch > 40 else {})
    assert {name for _, name, _ in said(records)} == TYPICAL


def test_what_a_rule_needs_and_no_record_has_keeps_it_silent() -> None:
    """Other tasks have no blank and no words, and older runs recorded less."""
    records = [
        {"epoch": epoch, "train_loss": 3 * 0.9**epoch, "left_out": 0, "dev_f1": 0.5} for epoch in range(1, 40)
    ]
    assert said(records) == []


@pytest.mark.parametrize("name", ["yesno", "an4"])
def test_real_runs_that_went_well_hear_nothing_to_mend(name: str) -> None:
    """Of recipes/yesno with its configuration, and of AN4 with a smaller network."""
    lines = (HERE / f"metrics-{name}.jsonl").read_text(encoding="utf-8").splitlines()
    found = {entry[1] for entry in said([json.loads(line) for line in lines])}
    assert found == TYPICAL


def test_what_is_said_does_not_depend_on_where_a_run_was_stopped(tmp_path: Path) -> None:
    records = run(WRONG["always clipped"][0])
    with CoachLog(tmp_path, Coach(config(), UTTERANCES)) as log:
        whole = [sentence for record in records for sentence in log.hear(record)]
    text = (tmp_path / COACH).read_text(encoding="utf-8")
    assert text.splitlines() == whole
    with CoachLog(tmp_path, Coach(config(), UTTERANCES, records[:30])) as log:
        resumed = [sentence for record in records[30:] for sentence in log.hear(record)]
    assert whole[-len(resumed) :] == resumed or not resumed
    assert (tmp_path / COACH).read_text(encoding="utf-8") == text


def test_the_log_ends_with_the_sentence_that_ended_the_run(tmp_path: Path) -> None:
    with (
        pytest.raises(DataError),
        CoachLog(tmp_path, Coach(config(), UTTERANCES, run(epochs=1))),
    ):
        raise DataError("the loss is not finite")
    assert (tmp_path / COACH).read_text(encoding="utf-8").splitlines()[
        -1
    ] == "stopped: the loss is not finite"


def test_the_logs_of_other_processes_write_nothing(tmp_path: Path) -> None:
    with CoachLog(tmp_path, Coach(config(), UTTERANCES), active=False) as log:
        assert log.hear(healthy(1))
    assert not (tmp_path / COACH).exists()
