"""`ctcasr tag`, `classify`, `evaluate` and `transcribe --understand`."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from ctcasr.data.sentences import Sentence, write_sentences
from ctcasr.errors import BundleError
from ctcasr.models import ModelSettings
from ctcasr.models.token_settings import TokenSettings
from ctcasr.models.tokens import TokenFront
from ctcasr.models.understanding import Outputs, UnderstandingModel
from ctcasr.runtime.bundle import FORMAT_VERSION, MODEL_FILES
from ctcasr.runtime.transcript import Transcript
from ctcasr.runtime.understanding import Understander
from ctcasr.runtime.understanding_bundle import UnderstandingDescription
from ctcasr.runtime.understood import with_meaning
from ctcasr.runtime.words import Word
from ctcasr.text.tokens import Names, TokenVocabulary
from ctcasr.training.understanding import chain_of
from ctcasr.training.understanding_graph import build_understanding_graph

Run = Callable[..., Any]
VOCABULARY = TokenVocabulary.of([["fly", "to", "new", "york", *"abcdefghij"]])
TAGS, LABELS = Names(("B-city", "I-city", "O")), Names(("order", "wish"))


def write_bundle(folder: Path, tags: Names | None, labels: Names | None) -> Path:
    """Write a bundle whose network says `city` of `new york`, and `order` of what begins with `fly`."""
    torch.manual_seed(0)
    front = TokenFront(
        TokenSettings(word_size=4, spelling_size=0), VOCABULARY.word_count, VOCABULARY.character_count
    )
    front.words.weight.data.zero_()
    for column, word in enumerate(("new", "york", "fly")):
        front.words.weight.data[VOCABULARY.words.ids[word] + 2, column] = 5.0
    outputs = Outputs(0 if tags is None else 3, True, 0 if labels is None else 2, "mean")
    model = UnderstandingModel(ModelSettings(layers=1, hidden=3), front, outputs)
    _pass_through(model)
    if model.tag_head is not None:
        model.tag_head.output.weight.data = torch.tensor(
            [[6.0, 0, 0, 0, 0, 0], [0, 6, 0, 0, 0, 0], [0.0] * 6]
        )
        model.tag_head.output.bias.data = torch.tensor([-3.0, -3.0, 0.0])
    if model.label_head is not None:
        model.label_head.output.weight.data = torch.tensor([[0.0, 0, 9, 0, 0, 0], [0.0] * 6])
        model.label_head.output.bias.data = torch.tensor([-1.0, 0.0])
    folder.mkdir()
    onnx.save(build_understanding_graph(model.eval()), folder / MODEL_FILES["fp32"])
    VOCABULARY.words.write(folder / "words.txt")
    VOCABULARY.characters.write(folder / "characters.txt")
    if tags is not None and model.tag_head is not None:
        tags.write(folder / "tags.txt")
        chain_of(model.tag_head).write(folder / "chain.npz")
    if labels is not None:
        labels.write(folder / "labels.txt")
    description = UnderstandingDescription(
        format_version=FORMAT_VERSION, name="tiny", task="tag" if tags else "classify", input="tokens"
    )
    (folder / "bundle.json").write_text(description.model_dump_json())
    return folder


def _pass_through(model: UnderstandingModel) -> None:
    """Make the forward cells say which of the three words they read, without memory, and the backward ones nothing."""
    (layer,) = model.layers
    for cell in (layer.ahead, layer.back):
        for parameter in cell.parameters():
            parameter.data.zero_()
    inputs = layer.ahead.get_parameter("weight_ih_l0").data
    bias = layer.ahead.get_parameter("bias_ih_l0").data
    bias[:3], bias[3:6], bias[9:] = 9.0, -9.0, 9.0  # input gates open, forget gates closed, output gates open
    inputs[6:9, :3] = torch.eye(3)
    layer.norm = torch.nn.LayerNorm(6)
    layer.norm.weight.data[:] = 1.0
    layer.norm.bias.data[:] = 0.0


@pytest.fixture
def tagger(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "tagger", TAGS, LABELS)


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "classifier", None, LABELS)


class TestTag:
    def test_slots_stand_in_brackets(self, ctcasr: Run, tagger: Path) -> None:
        said = ctcasr("tag", "fly to new york", "go", "-m", tagger)
        assert (said.code, said.err) == (0, "")
        assert said.out == "order\tfly to [city new york]\nwish\tgo\n"

    def test_json_tells_all(self, ctcasr: Run, tagger: Path) -> None:
        found = json.loads(ctcasr("tag", "to new york", "-m", tagger, "--json").out)
        assert (found["text"], found["tags"], found["label"]) == ("to new york", "O B-city I-city", "wish")
        (slot,) = found["slots"]
        assert (slot["slot"], slot["text"], slot["start_word"], slot["end_word"]) == (
            "city",
            "new york",
            1,
            3,
        )
        assert 0.5 < slot["confidence"] <= 1

    def test_standard_input_is_a_sentence_a_line(
        self, ctcasr: Run, tagger: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("fly to new york\n\nto york\n"))
        assert ctcasr("tag", "-", "-m", tagger).out == "order\tfly to [city new york]\nwish\tto [city york]\n"
        assert ctcasr("tag", "-", "-m", tagger).errors == [
            "error: standard input has no text; give a sentence a line"
        ]

    def test_an_empty_text_is_refused(self, ctcasr: Run, tagger: Path) -> None:
        said = ctcasr("tag", " ", "-m", tagger)
        assert (said.code, said.errors) == (1, ["error: the text has no words; expected at least one"])


class TestClassify:
    def test_a_line_is_label_probability_and_text(self, ctcasr: Run, classifier: Path, tagger: Path) -> None:
        for bundle in (classifier, tagger):  # a tagger that has labels classifies as well
            label, probability, text = (
                ctcasr("classify", "fly away", "-m", bundle).out.rstrip("\n").split("\t")
            )
            assert (label, text) == ("order", "fly away")
            assert 0.5 < float(probability) <= 1
        found = json.loads(ctcasr("classify", "go away", "-m", classifier, "--json").out)
        assert (found["input"], found["label"]) == ("go away", "wish")


class TestWrongVerbs:
    def test_each_verb_names_the_right_one(
        self, ctcasr: Run, tagger: Path, classifier: Path, tiny_bundle: Path, record: Callable[..., Path]
    ) -> None:
        audio = record()
        cases = {
            ("transcribe", audio, "-m", tagger): f"to tag, not to transcribe; use `ctcasr tag -m {tagger}`",
            ("transcribe", audio, "-m", classifier): "to classify, not to transcribe; use `ctcasr classify",
            ("tag", "a", "-m", classifier): "to classify, and has no tags; use `ctcasr classify",
            ("tag", "a", "-m", tiny_bundle): "to transcribe, not to understand; use `ctcasr transcribe",
            ("transcribe", audio, "-m", tiny_bundle, "--understand", classifier): "name one that tags words",
        }
        for arguments, message in cases.items():
            said = ctcasr(*arguments)
            assert said.code == 2
            assert len(said.errors) == 1
            assert message in said.errors[0]

    def test_a_tagger_without_labels_does_not_classify(self, ctcasr: Run, tmp_path: Path) -> None:
        bundle = write_bundle(tmp_path / "bare", TAGS, None)
        assert (
            "is a bundle to tag, and has no labels; use `ctcasr tag"
            in ctcasr("classify", "a", "-m", bundle).err
        )


class TestEvaluate:
    def sentences(self, path: Path) -> Path:
        write_sentences(
            path,
            [
                Sentence("a", ("fly", "to", "new", "york"), ("O", "O", "B-city", "I-city"), "order"),
                Sentence("b", ("york",), ("O",), "order"),
            ],
        )
        return path

    def test_f1_and_accuracy_are_counted(self, ctcasr: Run, tagger: Path, tmp_path: Path) -> None:
        manifest = self.sentences(tmp_path / "test.jsonl")
        said = ctcasr("evaluate", manifest, "-m", tagger)
        assert said.out == (
            "F1 66.67 % [ precision 50.00 %, recall 100.00 %; 1 right of 2 found, 1 to find ]\n"
            "accuracy 50.00 % [ 1 / 2 ]\n"
        )
        found = json.loads(ctcasr("evaluate", manifest, "-m", tagger, "--json").out)
        assert (found["f1"], found["accuracy"], found["correct"], found["right"]) == (0.666667, 0.5, 1, 1)

    def test_a_score_outside_of_the_band_fails(self, ctcasr: Run, tagger: Path, tmp_path: Path) -> None:
        manifest = self.sentences(tmp_path / "test.jsonl")
        assert ctcasr("evaluate", manifest, "-m", tagger, "--expect", "60:70").code == 0
        said = ctcasr("evaluate", manifest, "-m", tagger, "--expect", "70:80")
        assert (said.code, said.errors) == (1, ["error: the first score is 66.67 %, expected 70:80"])

    def test_what_is_for_transcripts_is_refused(self, ctcasr: Run, tagger: Path, tmp_path: Path) -> None:
        said = ctcasr("evaluate", self.sentences(tmp_path / "test.jsonl"), "-m", tagger, "--beam-size", "4")
        assert (said.code, said.errors) == (
            2,
            ["error: --beam-size is for bundles that transcribe; leave it out, or name such a bundle"],
        )

    def test_truth_has_to_be_there(self, ctcasr: Run, tagger: Path, tmp_path: Path) -> None:
        write_sentences(tmp_path / "x.jsonl", [Sentence("a", ("york",))])
        assert "has no `label` to compare with" in ctcasr("evaluate", tmp_path / "x.jsonl", "-m", tagger).err


class TestInfo:
    def test_a_bundle_says_what_it_is_for(self, ctcasr: Run, tagger: Path) -> None:
        rows = dict(line.split(maxsplit=1) for line in ctcasr("info", tagger).out.splitlines())
        assert rows["task"] == "`ctcasr tag`"
        assert rows["input"] == "words, 14 of them known"
        assert rows["tags"] == "3, in a chain"
        assert rows["labels"] == "order wish"

    def test_a_run_names_its_scores(self, ctcasr: Run, tmp_path: Path) -> None:
        records = [
            {
                "epoch": 1,
                "dev_f1": 0.5,
                "dev_accuracy": 0.9,
                "dev_loss": 1.0,
                "train_loss": 1.0,
                "seconds": 1.0,
            },
            {
                "epoch": 2,
                "dev_f1": 0.7,
                "dev_accuracy": 0.8,
                "dev_loss": 1.0,
                "train_loss": 1.0,
                "seconds": 1.0,
            },
        ]
        (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        assert "2: dev F1 70.00 %, accuracy 80.00 %" in ctcasr("info", tmp_path).out


class TestUnderstand:
    def test_slots_have_their_times(self, tagger: Path) -> None:
        words = ("fly", "to", "new", "york")
        heard = tuple(Word(word, 0.5 * n, 0.5 * n + 0.4, 0.9) for n, word in enumerate(words))
        understander = Understander.load(tagger)
        meaning = with_meaning(Transcript("a", words=heard), understander).meaning
        assert meaning is not None
        (slot,) = meaning.slots
        assert (slot.kind, slot.text, slot.start_seconds, slot.end_seconds) == ("city", "new york", 1.0, 1.9)
        assert (meaning.label, meaning.confidence > 0.5) == ("order", True)
        assert with_meaning(Transcript("a"), understander).meaning is None

    def test_transcripts_are_understood(
        self, ctcasr: Run, tagger: Path, tiny_bundle: Path, record: Callable[..., Path]
    ) -> None:
        path = record(seconds=2.0)
        plain = ctcasr("transcribe", path, "-m", tiny_bundle).out
        text = ctcasr("transcribe", path, "-m", tiny_bundle, "--understand", tagger).out
        assert plain.strip()
        assert text.startswith(plain)
        assert text.splitlines()[1] in ("  order", "  wish")
        found = json.loads(
            ctcasr("transcribe", path, "-m", tiny_bundle, "-f", "json", "--understand", tagger).out
        )
        assert found["label"] in LABELS.names
        assert isinstance(found["slots"], list)

    def test_other_formats_cannot_tell(
        self, ctcasr: Run, tagger: Path, tiny_bundle: Path, record: Callable[..., Path]
    ) -> None:
        said = ctcasr("transcribe", record(), "-m", tiny_bundle, "-f", "srt", "--understand", tagger)
        assert (said.code, said.errors) == (
            2,
            ["error: --understand is told in txt and json; use -f txt or -f json"],
        )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "tags.txt").unlink(), "do not fit it"),
        (
            lambda folder: (folder / "tags.txt").write_text("B-city\nO\n"),
            r"chain\.npz: does not fit the tags",
        ),
        (lambda folder: (folder / "chain.npz").write_bytes(b"nothing"), r"chain\.npz: cannot be read"),
        (lambda folder: (folder / "labels.txt").write_text("a\nb\nc\n"), r"model\.onnx: maps"),
        (lambda folder: (folder / "words.txt").unlink(), r"words\.txt: cannot be read"),
        (lambda folder: (folder / "model.onnx").write_bytes(b"nothing"), r"model\.onnx: cannot be loaded"),
        (lambda folder: (folder / "model.onnx").unlink(), r"has no model\.int8\.onnx or model\.onnx"),
        (
            lambda folder: (folder / "bundle.json").write_text('{"format_version": 9, "task": "tag"}'),
            "format version 9",
        ),
        (
            lambda folder: (folder / "bundle.json").write_text('{"format_version": 1, "task": "tag"}'),
            "name: Field required",
        ),
        (lambda folder: shutil.rmtree(folder), "no bundle"),
    ],
)
def test_a_damaged_bundle_is_refused(tagger: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(tagger)
    with pytest.raises(BundleError, match=message):
        Understander.load(tagger)


def test_the_runtime_reads_without_padding(tagger: Path) -> None:
    understander = Understander.load(tagger)
    words = ["fly", "to", "new", "york"]
    scores = understander._run(
        {
            "words": np.pad(VOCABULARY.encode(words).words, (0, 3))[None],
            "characters": np.pad(VOCABULARY.encode(words).characters, ((0, 3), (0, 2)))[None],
            "lengths": np.array([4]),
        }
    )
    alone = understander._run(
        {
            "words": VOCABULARY.encode(words).words[None],
            "characters": VOCABULARY.encode(words).characters[None],
            "lengths": np.array([4]),
        }
    )
    np.testing.assert_allclose(scores["tag_scores"][0, :4], alone["tag_scores"][0], atol=1e-6)
    np.testing.assert_allclose(scores["label_scores"], alone["label_scores"], atol=1e-6)
