"""The recipes of slots, sentiment and key terms: small files of the published layouts, and the real ones."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ctcasr.data.sentences import Sentence, read_sentences, write_sentences
from ctcasr.training.config_files import read_config
from tests.data.test_data_sentences import slot_folder
from tests.recipes.layouts import ROOT, corpus, load_recipe, refusal, run

NAMES = ["atis", "snips", "sst2", "inspec"]
RECIPES = {name: load_recipe(name) for name in NAMES}
REAL = {
    "atis": ("text/atis_snips/data/atis", (4478, 500, 893)),
    "snips": ("text/atis_snips/data/snips", (13084, 700, 700)),
    "sst2": ("text/sentiment", (6920, 872, 1821)),
    "inspec": ("text/keyphrase_bio/Inspec", (1000, 500, 500)),
}


@pytest.mark.parametrize("name", NAMES)
def test_configurations_are_valid(name: str) -> None:
    config = read_config(ROOT / "recipes" / name / "config.toml")
    assert config.data.train == ROOT / "recipes" / name / "data" / "train.jsonl"
    assert config.task.input == "tokens"


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_source_is_an_error(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "data"
    assert str(tmp_path) in refusal(capsys, RECIPES[name], "--source", tmp_path, "--output", output)
    assert not output.exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_real_corpus(name: str, tmp_path: Path) -> None:
    folder, counts = REAL[name]
    source = corpus("text").parent / folder
    assert run(RECIPES[name], "--source", source, "--output", tmp_path) == 0
    parts = [read_sentences(tmp_path / f"{part}.jsonl") for part in ("train", "dev", "test")]
    assert tuple(map(len, parts)) == counts
    if name == "sst2":
        assert Counter(sentence.label for sentence in parts[0]) == {"positive": 3610, "negative": 3310}
    else:
        assert all(sentence.tags for part in parts for sentence in part)


@pytest.mark.parametrize("name", ["atis", "snips"])
def test_slots_and_intents(name: str, tmp_path: Path) -> None:
    for part in ("train", "dev", "test"):
        (tmp_path / part).mkdir()
        slot_folder(tmp_path / part)
    assert run(RECIPES[name], "--source", tmp_path, "--output", tmp_path / "data") == 0
    first, _ = read_sentences(tmp_path / "data" / "dev.jsonl")
    assert (first.id, first.words, first.tags, first.label) == (
        "dev-1",
        ("fly", "to", "rome"),
        ("O", "O", "B-city"),
        "flight",
    )


def test_sentiments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part in ("train", "dev", "test"):
        (tmp_path / f"stsa.binary.{part}").write_text("1 a fine film\n0 not so\n")
    assert run(RECIPES["sst2"], "--source", tmp_path, "--output", tmp_path / "data") == 0
    first, second = read_sentences(tmp_path / "data" / "train.jsonl")
    assert (first.words, first.label, second.label) == (("a", "fine", "film"), "positive", "negative")
    (tmp_path / "stsa.binary.dev").write_text("1 a fine film\n2 not so\n")
    message = refusal(capsys, RECIPES["sst2"], "--source", tmp_path, "--output", tmp_path / "data")
    assert "stsa.binary.dev:2: found '2 not so'; expected 0 or 1 and a sentence" in message


def test_key_terms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part in ("train", "valid", "test"):
        (tmp_path / f"{part}.txt").write_text("Key\tB-KEY\nterms\tI-KEY\nare\tO\n\nSo\tO\n")
    assert run(RECIPES["inspec"], "--source", tmp_path, "--output", tmp_path / "data") == 0
    first, second = read_sentences(tmp_path / "data" / "dev.jsonl")
    assert (first.words, first.tags) == (("Key", "terms", "are"), ("B-KEY", "I-KEY", "O"))
    assert second.words == ("So",)
    (tmp_path / "test.txt").write_text("Key\tB-KEY\nterms\n")
    message = refusal(capsys, RECIPES["inspec"], "--source", tmp_path, "--output", tmp_path / "data")
    assert "test.txt, abstract 1: expected a word and its tag a line" in message


class TestPhrases:
    def test_terms_are_counted_once_an_abstract(self) -> None:
        phrases = load_recipe("inspec", "phrases")
        words = ["Neural", "networks", "learn", ".", "neural", "networks", "see"]
        tags = ["B-KEY", "I-KEY", "O", "O", "B-KEY", "I-KEY", "O"]
        assert phrases.terms_of(words, tags) == {("neural", "networks")}

    def test_what_stands_in_the_middle_ranks_highest(self) -> None:
        phrases = load_recipe("inspec", "phrases")
        text = "graph search of a graph , fast graph search , search the graph and a cat"
        found = phrases.textrank(text.split(), 2)
        assert found == {("graph", "search"), ("fast", "graph", "search")}
        assert phrases.textrank(["of", "the", "and"], 2) == set()

    def test_scores_are_printed(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        phrases = load_recipe("inspec", "phrases")
        (tmp_path / "x.jsonl").write_text(
            '{"text": "graph search is a graph search", "tags": "B-KEY I-KEY O O O O"}\n'
        )
        assert run(phrases, tmp_path / "x.jsonl", "--terms", "1") == 0
        assert capsys.readouterr().out == (
            "TextRank: precision 100.00 %, recall 100.00 %, F1 100.00 % [ 1 right of 1 found, 1 to find ]\n"
        )
        assert "cannot be read" in refusal(capsys, phrases, tmp_path / "gone.jsonl")


def test_linear_models_learn_sentiments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    linear = load_recipe("sst2", "linear")
    for part in ("train", "dev", "test"):
        kinds = [("dull", "negative"), ("fine", "positive")] * 4
        sentences = [
            Sentence(str(number), ("a", word, "film"), None, label)
            for number, (word, label) in enumerate(kinds)
        ]
        write_sentences(tmp_path / f"{part}.jsonl", sentences)
    assert run(linear, "--data", tmp_path) == 0
    table = capsys.readouterr().out.splitlines()
    assert len(table) == 2 + 9
    assert all("100.00 (8 / 8) | 100.00 (8 / 8)" in line for line in table[2:])
    assert run(linear, "--data", tmp_path / "nothing") == 1
