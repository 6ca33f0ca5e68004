"""The whole training of tags and labels on tiny grammars: it learns, resumes exactly, exports, and refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
import torch

from ctcasr.data import Utterance, write_manifest
from ctcasr.data.sentences import Sentence, read_sentences, write_sentences
from ctcasr.errors import BundleError, ConfigError, DataError
from ctcasr.models.chain_loss import chain_loss, structured_hinge_loss
from ctcasr.models.heads import TagHead
from ctcasr.models.understanding import Understood
from ctcasr.runtime import Recognizer
from ctcasr.runtime.understanding import Understander
from ctcasr.scoring.spans import count_spans
from ctcasr.training.checkpoints import CheckpointFolder
from ctcasr.training.config_files import read_config
from ctcasr.training.export import export_bundle
from ctcasr.training.loop import Trainer
from ctcasr.training.tensor_files import read_tensors
from tests.training.conftest import RATE, TEXTS, seconds_of

CITIES = ("rome", "new york", "berlin", "los angeles", "oslo", "bonn")
Text = Callable[..., Path]


def grammar(count: int, seed: int) -> list[Sentence]:
    """Return sentences in which a word's tag depends on what stands before it."""
    rng = np.random.default_rng(seed)
    sentences = []
    for number in range(count):
        words, tags = [["fly", "go"][rng.integers(2)]], ["O"]
        for preposition, kind in [("from", "origin"), ("to", "goal")][:: rng.choice([1, -1])]:
            city = CITIES[rng.integers(len(CITIES))].split()
            words += [preposition, *city]
            tags += ["O", f"B-{kind}", *[f"I-{kind}"] * (len(city) - 1)]
        label = "order" if words[0] == "fly" else "wish"
        sentences.append(Sentence(str(number), tuple(words), tuple(tags), label))
    return sentences


@pytest.fixture
def text(tmp_path: Path) -> Text:
    """Write a corpus of sentences and a configuration; keywords are `section__key=value`."""

    def make(**fields: object) -> Path:
        write_sentences(tmp_path / "train.jsonl", grammar(60, 0))
        write_sentences(tmp_path / "dev.jsonl", grammar(20, 1))
        values: dict[str, dict[str, object]] = {
            "data": {"train": "train.jsonl", "dev": "dev.jsonl"},
            "task": {"input": "tokens", "head": "crf", "pooling": "attention"},
            "tokens": {"word_size": 8, "character_size": 4, "spelling_size": 6},
            "model": {"layers": 1, "hidden": 12, "dropout": 0.1},
            "batches": {"tokens": 40},
            "optimizer": {"epochs": 3, "learning_rate": 0.02},
            "run": {"folder": "run", "device": "cpu", "precision": "fp32", "average": 2},
        }
        for name, value in fields.items():
            section, _, key = name.partition("__")
            values.setdefault(section, {})[key] = value
        if values["task"].get("pooling") == "":
            del values["task"]["pooling"]
        path = tmp_path / "config.toml"
        path.write_text(tomli_w.dumps(values), encoding="utf-8")
        return path

    return make


def train(config: Path, *overrides: str, resume: bool = False) -> Trainer:
    trainer = Trainer(read_config(config, overrides), resume=resume)
    trainer.run()
    return trainer


def metrics(folder: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [
        {key: value for key, value in record.items() if not key.endswith("seconds")} for record in records
    ]


def test_the_moving_average_is_scored_with_a_chain_of_its_own(text: Text, tmp_path: Path) -> None:
    sets = ["optimizer.moving_average=0.9", "run.average=1", "optimizer.epochs=2"]
    evaluation = Trainer(read_config(text(), sets)).run()
    best = min(metrics(tmp_path / "run"), key=lambda record: -record["dev_f1"] - record["dev_accuracy"])
    assert evaluation.loss == pytest.approx(best["dev_loss"], rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("head", ["crf", "tags"])
def test_a_tagger_learns_and_its_bundle_says_the_same(text: Text, tmp_path: Path, head: str) -> None:
    train(text(optimizer__epochs=8, task__head=head))
    last = metrics(tmp_path / "run")[-1]
    assert last["dev_f1"] > 0.95
    assert last["dev_accuracy"] > 0.95
    assert last["tokens"] == sum(len(sentence.words) for sentence in grammar(60, 0))
    description = export_bundle(tmp_path / "run", tmp_path / "bundle")
    assert description.training.dev_scores.keys() == {"f1", "accuracy"}
    assert (tmp_path / "bundle/chain.npz").exists() == (head == "crf")
    understander = Understander.load(tmp_path / "bundle", "fp32")
    dev = read_sentences(tmp_path / "dev.jsonl")
    said = [understander.read(sentence.words) for sentence in dev]
    pairs = [(sentence.tags or (), meaning.tags) for sentence, meaning in zip(dev, said, strict=True)]
    assert count_spans(pairs).f1 == pytest.approx(description.training.dev_scores["f1"])
    right = sum(meaning.label == sentence.label for sentence, meaning in zip(dev, said, strict=True))
    assert right / len(dev) == pytest.approx(description.training.dev_scores["accuracy"])
    assert all(0 < meaning.confidence <= 1 for meaning in said)
    assert all(0 < slot.confidence <= 1.0001 for meaning in said for slot in meaning.slots)


def test_each_objective_has_a_loss_of_its_own(text: Text) -> None:
    torch.manual_seed(0)
    scores, lengths, tags = torch.randn(2, 3, 4), torch.tensor([3, 2]), torch.tensor([[0, 1, 2], [3, 3, 0]])
    head = TagHead(2, 4, chained=True)
    expected = {
        "likelihood": chain_loss(scores, lengths, tags, head),
        "perceptron": structured_hinge_loss(scores, lengths, tags, head, 0.0),
        "margin": structured_hinge_loss(scores, lengths, tags, head, 1.0),
    }
    for objective, losses in expected.items():
        task = Trainer(read_config(text(), [f"task.objective={objective}"])).task
        found = task._tag_losses(head, Understood(scores, torch.zeros(0), lengths), tags)
        assert torch.equal(found, losses)
    assert len({float(losses.sum().detach()) for losses in expected.values()}) == 3


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["perceptron", "margin"])
def test_a_chain_learns_from_the_best_wrong_sequence(text: Text, tmp_path: Path, objective: str) -> None:
    train(text(optimizer__epochs=8), f"task.objective={objective}")
    last = metrics(tmp_path / "run")[-1]
    assert last["dev_f1"] > 0.95
    export_bundle(tmp_path / "run", tmp_path / "bundle")
    card = (tmp_path / "bundle/README.md").read_text()
    assert {"perceptron": "structured perceptron", "margin": "support vector"}[objective] in card


@pytest.mark.slow
@pytest.mark.parametrize(("pooling", "subwords"), [("last", 0), ("mean", 500), ("attention", 500)])
def test_a_classifier_is_the_same_in_torch_and_in_its_bundle(
    text: Text, tmp_path: Path, pooling: str, subwords: int
) -> None:
    config = text(task__head="label", task__pooling=pooling, optimizer__epochs=2)
    trainer = train(config, f"tokens.subwords={subwords}")
    export_bundle(tmp_path / "run", tmp_path / "bundle")
    understander = Understander.load(tmp_path / "bundle", "fp32")
    task = trainer.task
    (batch,) = list(task.batches([list(range(9))], -1))
    trainer.network.eval()
    with torch.inference_mode():
        shares = trainer.network(*task.inputs(batch)).labels.softmax(-1)
    for row, number in enumerate(batch.examples):
        meaning = understander.read(task.train_set[number].words)
        assert meaning.label == task.targets.labels.names[int(shares[row].argmax())]
        assert meaning.confidence == pytest.approx(float(shares[row].max()), abs=1e-4)
        assert (meaning.tags, meaning.slots) == ((), ())


@pytest.mark.slow
def test_int8_says_nearly_the_same(text: Text, tmp_path: Path) -> None:
    train(text(optimizer__epochs=8))
    export_bundle(tmp_path / "run", tmp_path / "bundle")
    exact, fast = (Understander.load(tmp_path / "bundle", name) for name in ("fp32", "int8"))
    pairs = [
        (exact.read(sentence.words).tags, fast.read(sentence.words).tags)
        for sentence in read_sentences(tmp_path / "dev.jsonl")
    ]
    assert count_spans(pairs).f1 > 0.9


@pytest.mark.slow
def test_resuming_is_exact(text: Text, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = text()
    train(config, "run.folder=whole")
    original, calls = CheckpointFolder.save_last, 0

    def killing(self: CheckpointFolder, *args: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        original(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(CheckpointFolder, "save_last", killing)
        with pytest.raises(KeyboardInterrupt):
            train(config, "run.folder=broken")
    train(config, "run.folder=broken", resume=True)
    assert metrics(tmp_path / "broken") == metrics(tmp_path / "whole")
    ours, theirs = (
        read_tensors(tmp_path / name / "checkpoints/averaged.safetensors") for name in ("broken", "whole")
    )
    assert all(torch.equal(ours[key], theirs[key]) for key in ours | theirs)


@pytest.mark.slow
@pytest.mark.parametrize(
    "option",
    [
        "task.head=tags",
        "task.pooling=mean",
        "tokens.min_count=30",
        "tokens.unknown_share=0.5",
        "tokens.spelling_size=0",
        "tokens.character_size=7",
        "tokens.word_size=9",
        "tokens.subwords=300",
        "batches.tokens=100",
    ],
)
def test_an_option_changes_the_run(text: Text, tmp_path: Path, option: str) -> None:
    config = text(optimizer__epochs=1)
    train(config, "run.folder=plain")
    train(config, "run.folder=changed", option)
    assert metrics(tmp_path / "plain")[0]["train_loss"] != metrics(tmp_path / "changed")[0]["train_loss"]


@pytest.mark.slow
def test_unknown_tags_and_labels_of_dev_count_as_wrong(text: Text, tmp_path: Path) -> None:
    config = text(optimizer__epochs=8)
    odd = [Sentence("odd", ("fly", "by"), ("O", "B-way"), "joke"), *grammar(1, 1)]
    write_sentences(tmp_path / "dev.jsonl", odd)
    train(config)
    record = metrics(tmp_path / "run")[-1]
    assert record["dev_accuracy"] == 0.5
    assert 0 < record["dev_f1"] < 1
    assert record["dev_loss"] < 1  # of the sentence that can be said


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"task__head": "ctc", "task__pooling": ""}, r"task.head = 'ctc' does not fit task.input = 'tokens'"),
        (
            {"task__head": "tags", "task__objective": "margin"},
            "task.objective = 'margin' is for chains of tags",
        ),
        ({"task__input": "audio"}, r"task.head = 'crf' does not fit task.input = 'audio'"),
        ({"task__head": "label", "task__pooling": ""}, "task.pooling is missing"),
        ({"features__mel_bins": 20}, "features has no effect where task.input = 'tokens'"),
        ({"model__subsampling": 2}, "model.subsampling has no effect where task.input = 'tokens'"),
        ({"optimizer__consistency": 0.2}, "optimizer.consistency has no effect where task.head = 'crf'"),
        ({"text__units": "bpe", "text__pieces": 20}, "text has no effect where task.head = 'crf'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(text: Text, fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_config(text(**fields))


def test_audio_has_no_settings_of_words(corpus: Callable[..., Path]) -> None:
    for override, message in (
        ("batches.tokens=5", "batches.tokens has no effect where task.input = 'audio'"),
        ("tokens.word_size=5", "tokens has no effect where task.input = 'audio'"),
        ("task.pooling=mean", "task.pooling is for labels"),
    ):
        with pytest.raises(ConfigError, match=message):
            read_config(corpus(), [override])


def test_missing_tags_and_labels_are_named(text: Text, tmp_path: Path) -> None:
    config = text()
    write_sentences(tmp_path / "dev.jsonl", [Sentence("x", ("fly",), None, "order")])
    with pytest.raises(DataError, match=r"x \(dev\.jsonl:1\): has no `tags`"):
        train(config)
    write_sentences(tmp_path / "dev.jsonl", [Sentence("x", ("fly",), ("O",))])
    with pytest.raises(DataError, match=r"x \(dev\.jsonl:1\): has no `label`"):
        train(config)


def test_resuming_with_other_words_is_refused(text: Text, tmp_path: Path) -> None:
    config = text(optimizer__epochs=1)
    train(config)
    write_sentences(tmp_path / "train.jsonl", [Sentence("x", ("swim",), ("O",), "order")])
    with pytest.raises(ConfigError, match=r"words\.txt: differs from what .*train\.jsonl has"):
        train(config, resume=True)


def labelled_tones(folder: Path, audio_folder: Path, extra: tuple[Utterance, ...] = ()) -> None:
    utterances = [
        Utterance(f"u{n:02d}", audio_folder / f"{n:02d}-{letters}.wav", seconds_of(n), label=letters[0])
        for n, letters in enumerate(TEXTS)
    ]
    write_manifest(folder / "train.jsonl", [*utterances, *extra])
    write_manifest(folder / "dev.jsonl", utterances[4:10])


LABELS = ("task.head=label", "task.pooling=last", "augment.speeds=[1.0]")


@pytest.mark.slow
def test_what_has_learned_to_write_learns_labels(
    corpus: Callable[..., Path], audio_folder: Path, tmp_path: Path
) -> None:
    writer = train(corpus())
    labelled_tones(tmp_path, audio_folder)
    chosen = ["task.head=label", "task.pooling=mean", "run.folder=labels"]
    config = read_config(tmp_path / "config.toml", [*chosen, "run.start_from=run"])
    averaged = read_tensors(tmp_path / "run" / "checkpoints" / "averaged.safetensors")
    for name, weight in Trainer(config).network.state_dict().items():
        if not name.startswith("label_head"):
            assert torch.equal(weight, averaged[name.replace("front.", "subsampling.")]), name
    Trainer(config).run()
    once_more = read_config(
        tmp_path / "config.toml", [*chosen[:2], "run.folder=again", "run.start_from=labels"]
    )
    heard = read_tensors(tmp_path / "labels" / "checkpoints" / "averaged.safetensors")
    assert torch.equal(
        Trainer(once_more).network.state_dict()["layers.0.norm.weight"], heard["layers.0.norm.weight"]
    )
    assert writer.network.state_dict().keys() != heard.keys()
    with pytest.raises(ConfigError, match="weights do not fit"):
        Trainer(
            read_config(
                tmp_path / "config.toml",
                [*chosen[:2], "run.folder=d", "run.start_from=run", "model.hidden=8"],
            )
        )
    with pytest.raises(DataError, match=r"train\.jsonl: has no transcripts"):
        Trainer(read_config(tmp_path / "config.toml", ["run.folder=c", "run.start_from=labels"]))
    back = Trainer(read_config(corpus(), ["run.folder=c", "run.start_from=labels"])).network
    assert torch.equal(back.state_dict()["layers.0.norm.weight"], heard["layers.0.norm.weight"])


@pytest.mark.slow
def test_recordings_are_classified(corpus: Callable[..., Path], audio_folder: Path, tmp_path: Path) -> None:
    config = corpus(
        optimizer__epochs=25, augment__time_masks=0, augment__frequency_masks=0, model__dropout=0.0
    )
    labelled_tones(tmp_path, audio_folder)
    train(config, *LABELS)
    last = metrics(tmp_path / "run")[-1]
    assert last["dev_accuracy"] == 1.0
    export_bundle(tmp_path / "run", tmp_path / "bundle")
    understander = Understander.load(tmp_path / "bundle")
    for number, letters in enumerate(TEXTS):
        assert understander.hear(audio_folder / f"{number:02d}-{letters}.wav").label == letters[0]
    assert understander.bundle.description.features.sample_rate == RATE
    with pytest.raises(BundleError, match="is a bundle to classify, not to transcribe; use `ctcasr classify"):
        Recognizer.load(tmp_path / "bundle")
    with pytest.raises(DataError, match="hears recordings"):
        understander.read(["a"])


def test_an_unreadable_recording_is_named_and_left_out(
    corpus: Callable[..., Path], audio_folder: Path, tmp_path: Path
) -> None:
    config = corpus(optimizer__epochs=1, data__max_bad_share=0.2)
    labelled_tones(tmp_path, audio_folder, (Utterance("gone", tmp_path / "gone.wav", 0.3, label="a"),))
    train(config, *LABELS)
    assert metrics(tmp_path / "run")[0]["left_out"] == 1
    labelled_tones(tmp_path, audio_folder, (Utterance("bare", tmp_path / "gone.wav", 0.3),))
    with pytest.raises(DataError, match=r"bare \(train\.jsonl:13\): has no `label`"):
        train(config, *LABELS, "run.folder=other")
