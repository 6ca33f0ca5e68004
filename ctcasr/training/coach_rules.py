"""What the coach looks for in the records of a run, and the words that it has for it: what, why, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from ctcasr.training.config import TrainingConfig
from ctcasr.training.records import Record

ALL_BLANK, NO_LONGER_BLANK = 0.98, 0.95
"""Shares of blank frames above which all output counts as blank, and below which it no longer does."""

LONG_BLANK_UPDATES, LONG_BLANK_SHARE = 3000, 0.25
"""How long the all-blank phase may last before it is strange: in updates, and as a share of the epochs."""

WINDOW = 5
"""Epochs that have to agree before a trend is one."""

LEFT_OUT, CLIPPED, WAITING = 0.005, 0.95, 0.4
"""Shares of utterances, of steps and of time from which on the coach speaks."""

RISING, FALLING = 1.2, 0.98
"""The loss rises if it is this many times its minimum, and hardly falls if this share of it is left after a window."""

RISEN = 0.1
"""How much of what the loss has fallen it must have risen again: what is near zero may well double."""

WIDE_GAP = 0.15
"""By how much the WER on dev may exceed that on training utterances, if it is also more than twice as high."""


@dataclass(frozen=True)
class Story:
    """A run so far.

    Attributes:
        config: of the run.
        utterances: in its training manifest.
        records: of its epochs, the newest last; those that lack what a rule needs are left out.
    """

    config: TrainingConfig
    utterances: int
    records: Sequence[Record]

    @property
    def last(self) -> Record:
        """The newest record."""
        return self.records[-1]

    @property
    def recent(self) -> Sequence[Record]:
        """The newest records, as many as make a trend, or fewer where there are not yet so many."""
        return self.records[-WINDOW:]


@dataclass(frozen=True)
class Rule:
    """One thing that the coach looks for.

    Attributes:
        name: of what it is about.
        needs: keys of the records.
        words: what there is to say, nothing where there is nothing.
        typical: whether it belongs to a healthy run, rather than being something to mend.
    """

    name: str
    needs: frozenset[str]
    words: Callable[[Story], str]
    typical: bool = False


def _is_blank(record: Record) -> bool:
    return record["blank_share"] >= ALL_BLANK


def _all_blank(story: Story) -> str:
    if not _is_blank(story.last):
        return ""
    return (
        f"{100 * story.last['blank_share']:.0f} % of the frames are blank and the error rate stays near 100 %, for to "
        "write nothing is the first thing that CTC learns; this usually lasts a few hundred to a few thousand updates "
        "(yesno 70, AN4 270); there is nothing to do but wait"
    )


def _blank_over(story: Story) -> str:
    if story.last["blank_share"] > NO_LONGER_BLANK or not any(map(_is_blank, story.records)):
        return ""
    return (
        f"the phase in which all output was blank is over, after {story.last['steps']} updates; from here on the "
        "error rate falls"
    )


def _blank_for_long(story: Story) -> str:
    updates, epochs = story.last["steps"], story.config.optimizer.epochs
    patient = len(story.records) < max(WINDOW, LONG_BLANK_SHARE * epochs)
    if patient or updates < LONG_BLANK_UPDATES or not all(map(_is_blank, story.recent)):
        return ""
    return (
        f"all output is still blank after {updates} updates, longer than usual; prove the wiring with --overfit-batch, "
        f"look for a better rate than {story.config.optimizer.learning_rate:g} with --find-lr, begin with "
        "model.batch_norm = true or fewer model.layers, and let `ctcasr doctor` look at the transcripts"
    )


def _left_out(story: Story) -> str:
    count, share = story.last["left_out"], story.last["left_out"] / story.utterances
    if share < LEFT_OUT:
        return ""
    return (
        f"{count} of {story.utterances} training utterances ({100 * share:.1f} %) are left out: their audio cannot "
        "be read, or they have more symbols than the model gives frames (each is named above); mend them with "
        f"`ctcasr doctor`, or halve model.subsampling ({story.config.model.subsampling}) if they are spoken fast"
    )


def _always_clipped(story: Story) -> str:
    recent, limit = story.recent, story.config.optimizer.clip_norm
    if len(recent) < WINDOW or min(record["clipped_share"] for record in recent) < CLIPPED:
        return ""
    norm = median(record["gradient_norm"] for record in recent)
    return (
        f"for {WINDOW} epochs nearly every gradient has been clipped (median norm {norm:.3g}, optimizer.clip_norm "
        f"{limit:g}), so that steep and flat batches move the weights alike; set optimizer.clip_norm near "
        f"{2 * norm:.2g}, or, if the loss is restless too, lower optimizer.learning_rate"
    )


def _learned_by_heart(story: Story) -> str:
    recent = story.recent
    dev, train = (median(record[name] for record in recent) for name in ("dev_wer", "train_wer"))
    if len(recent) < WINDOW or dev < train + WIDE_GAP or dev < 2 * train:
        return ""
    return (
        f"WER is {100 * dev:.0f} % on dev but {100 * train:.0f} % on utterances of the training set: these are "
        "learned by heart, or dev is of another kind (`ctcasr doctor --against` compares them); more recordings help "
        "most, then [augment] (splice, frequency_warp, masks), model.dropout, and a smaller model.hidden"
    )


def _rate_too_high(story: Story) -> str:
    if len(story.records) < 3:
        return ""
    losses = [record["train_loss"] for record in story.records]
    lowest = min(losses)
    if min(losses[-2:]) < max(RISING * lowest, lowest + RISEN * (losses[0] - lowest)):
        return ""
    return (
        f"the training loss has risen from {lowest:.3g} to {story.last['train_loss']:.3g}: the steps are too long; "
        f"lower optimizer.learning_rate ({story.config.optimizer.learning_rate:g}) to a third, or ask --find-lr"
    )


def _rate_too_low(story: Story) -> str:
    recent, settings = story.records[-WINDOW - 1 :], story.config.optimizer
    if len(recent) <= WINDOW or any(map(_is_blank, recent)) or recent[-1]["dev_cer"] < 0.3:
        return ""
    before, now = recent[0]["train_loss"], recent[-1]["train_loss"]
    if not FALLING * before < now <= RISING * before:
        return ""
    return (
        f"in {WINDOW} epochs the training loss has hardly fallen ({before:.3g} to {now:.3g}) although little is "
        f"recognised yet: the rate ({recent[-1]['learning_rate']:.2g} now, {settings.learning_rate:g} at the top) is "
        "probably too low; ask --find-lr, and see with --overfit-batch whether the model learns at all"
    )


def _waiting(story: Story) -> str:
    recent, workers = story.recent, story.config.batches.workers
    whole = sum(record["train_seconds"] for record in recent)
    share = sum(record["waiting_seconds"] for record in recent) / max(1e-9, whole)
    if len(recent) < WINDOW or share < WAITING:
        return ""
    return (
        f"{100 * share:.0f} % of the training time passes with waiting for audio (reading, resampling, augmentation, "
        f"on a CPU features too); raise batches.workers ({workers}) as far as there are processors, and store the "
        f"audio as wav (ctcasr data convert --sample-rate {story.config.features.sample_rate})"
    )


RULES = (
    Rule("all blank", frozenset({"blank_share"}), _all_blank, typical=True),
    Rule("no longer blank", frozenset({"blank_share"}), _blank_over, typical=True),
    Rule("blank for long", frozenset({"blank_share"}), _blank_for_long),
    Rule("left out", frozenset({"left_out"}), _left_out),
    Rule("always clipped", frozenset({"clipped_share", "gradient_norm"}), _always_clipped),
    Rule("learned by heart", frozenset({"dev_wer", "train_wer"}), _learned_by_heart),
    Rule("rate too high", frozenset({"train_loss"}), _rate_too_high),
    Rule("rate too low", frozenset({"train_loss", "blank_share", "dev_cer"}), _rate_too_low),
    Rule("waiting for audio", frozenset({"waiting_seconds", "train_seconds"}), _waiting),
)
