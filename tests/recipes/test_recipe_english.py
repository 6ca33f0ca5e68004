"""The pool of all English corpora, and the text of its language model."""

from __future__ import annotations

import gzip
import json
import lzma
from pathlib import Path

import pytest

from ctcasr.data import Utterance, read_manifest, write_manifest
from ctcasr.text import Pronunciations
from ctcasr.training.config_files import read_config
from tests.recipes.layouts import ROOT, load_recipe, refusal, rows, run, write_wav

english = load_recipe("english")
text = load_recipe("english", "prepare_text")
lexicon = load_recipe("english", "prepare_lexicon")
groups = load_recipe("english", "groups")
dictated = load_recipe("english", "prepare_dictated")


def listed(folder: Path, lines: list[dict[str, object]]) -> None:
    folder.mkdir(parents=True)
    for number, line in enumerate(lines):
        write_wav(folder / str(line["audio_filepath"]), number, sample_rate=16000, count=1600)
    manifest = "".join(json.dumps({"duration": 0.1, **line}) + "\n" for line in lines)
    (folder / "manifest.jsonl").write_text(manifest)


def prepared(folder: Path, name: str) -> None:
    for number, part in enumerate(("train", "dev", "test")):
        path = folder / name / f"{part}.wav"
        write_wav(path, number)
        write_manifest(
            folder / name / "data" / f"{part}.jsonl",
            [Utterance(f"{part}/1", path, 0.1, "Four, please!", speaker=part)],
        )


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    source, recipes, data = tmp_path / "source", tmp_path / "recipes", tmp_path / "data"
    for name in english.PREPARED:
        prepared(recipes, name)
    ocean = [("0001", "train"), ("0053", "train"), ("0003", "test")]
    listed(
        source / "speechocean762",
        [
            {
                "audio_filepath": f"{speaker}.wav",
                "text": "WE CALL IT BEAR",
                "speaker": speaker,
                "split": split,
            }
            for speaker, split in ocean
        ],
    )
    prompts = ["arctic_a0019", "arctic_a0020", "arctic_b0020"]
    listed(
        source / "kathleen_arctic",
        [
            {"audio_filepath": f"{prompt}.wav", "text": "Well, etc.", "speaker": "k", "prompt_id": prompt}
            for prompt in prompts
        ],
    )
    spoken = {"LJ001-0040.wav": "Nobody knew.", "LJ001-0041.wav": "It's (so) -- to say"}
    listed(
        source / "ljspeech_part",
        [{"audio_filepath": name, "text": text, "speaker": "LJ"} for name, text in spoken.items()],
    )
    arguments = ("--source", source, "--recipes", recipes, "--output", data, "--digits-times", "3")
    assert run(english, *arguments) == 0
    return data


def test_the_configuration_is_valid() -> None:
    assert read_config(ROOT / "recipes" / "english" / "config.toml").data.train.name == "train-phones.jsonl"


def test_the_parts_hold_speakers_and_prompts_out(pool: Path) -> None:
    ids = {path.stem: [row["id"] for row in rows(path)] for path in pool.glob("*.jsonl")}
    assert ids["test-speechocean762"] == ["speechocean762-0003"]
    assert "speechocean762-0053" in ids["dev"]
    assert ids["test-kathleen_arctic"] == ["kathleen_arctic-arctic_a0020", "kathleen_arctic-arctic_b0020"]
    assert ids["test-ljspeech_part"] == ["ljspeech_part-LJ001-0040"]
    assert [name for name in ids["train"] if name.startswith("fsdd")] == [
        "fsdd-train/1",
        "fsdd-train/1-1",
        "fsdd-train/1-2",
    ]
    held_out = {name for part, found in ids.items() if part != "train" for name in found}
    assert not held_out & set(ids["train"])


def test_texts_and_recordings_are_of_one_form(pool: Path) -> None:
    for path in pool.glob("*.jsonl"):
        for utterance in read_manifest(path):
            assert set(utterance.text) <= set("abcdefghijklmnopqrstuvwxyz' ")
            assert utterance.audio_path.suffix == ".wav"
            assert utterance.duration_seconds == pytest.approx(0.1)


def test_a_corpus_that_is_not_prepared_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--source", tmp_path, "--recipes", tmp_path, "--output", tmp_path / "data")
    assert "mini_librispeech" in refusal(capsys, english, *arguments)


def test_text_is_what_is_said(pool: Path) -> None:
    books, output = pool / "books.txt.xz", pool / "text.txt.gz"
    paragraphs = [
        "It was 1,250 yards -- no more. We call it bear! “Don’t,” said he: go…",
        "Four, please. Ça va? [Footnote 3: ibid.]",
    ]
    with lzma.open(books, "wt", encoding="utf-8") as file:
        file.write("\n".join(paragraphs) + "\n")
    assert run(text, books, "--data", pool, "--output", output, "--times", "2") == 0
    with gzip.open(output, "rt") as file:
        lines = file.read().splitlines()
    from_books, repeated = lines[: len(lines) - lines.count("four please")], lines.count("four please")
    assert from_books[:3] == ["it was one thousand two hundred fifty yards", "no more", "don't said he"]
    assert "we call it bear" not in lines  # a sentence of a test
    assert "ça va" not in lines
    assert repeated == 10  # twice each: fsdd three times, two other corpora; short enough to be said anywhere
    assert "it's so to say" in lines
    (pool / "train-phones.jsonl").write_bytes((pool / "train.jsonl").read_bytes())  # what later steps write
    again = pool / "again.txt.gz"
    assert run(text, books, "--data", pool, "--output", again, "--times", "2") == 0
    assert again.read_bytes() == output.read_bytes()


def test_damaged_books_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "books.xz").write_text("plain")
    (tmp_path / "train.jsonl").write_text("")
    refusal(capsys, text, tmp_path / "books.xz", "--data", tmp_path, "--output", tmp_path / "text.gz")


def test_every_word_is_pronounced_and_the_letter_a_is_told_from_the_article(pool: Path) -> None:
    dictionary = pool / "cmu.dict"
    dictionary.write_text(
        "four F AO1 R\nbob B AA1 B\nplease P L IY1 Z\na AH0\na(2) EY1\nwe W IY1\ncall K AO1 L\nit IH1 T\nlet L EH1 T\n"
    )
    with gzip.open(pool / "text.txt.gz", "wt") as file:
        file.write("let it\n" * 3 + "wellcap\n" * 3 + "rare\n")
    train = [
        Utterance("an4-1", pool / "1.wav", 1.0, "a four a"),
        Utterance("other-1", pool / "1.wav", 1.0, "a four"),
    ]
    write_manifest(pool / "train.jsonl", train)
    assert run(lexicon, dictionary, "--data", pool) == 0
    words = Pronunciations.read(pool / "lexicon.txt").by_word
    assert words["a"] == (("AH",), ("EY",))
    assert {"wellcap", "bear", "four"} <= set(words)
    assert "rare" not in words
    assert [row["text"] for row in rows(pool / "train-phones.jsonl")] == ["a(2) four a(2)", "a four"]


def test_a_recipe_without_text_has_the_words_of_its_transcripts(tmp_path: Path) -> None:
    for part, words in (("train", "aba nest"), ("dev", "bab")):
        write_manifest(tmp_path / f"{part}.jsonl", [Utterance("1", tmp_path / "1.wav", 1.0, words)])
    (tmp_path / "cmudict.dict").write_text("aba AH0 B AH1\nhonest AA1 N AH0 S T\nbab B AE1 B\n")
    assert run(lexicon, tmp_path / "cmudict.dict", "--data", tmp_path, "--without-text") == 0
    words = [line.split()[0] for line in (tmp_path / "lexicon.txt").read_text().splitlines()]
    assert words == ["aba", "bab", "honest", "nest"]


def test_a_dictionary_that_is_missing_is_an_error(pool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nothing.dict" in refusal(capsys, lexicon, pool / "nothing.dict", "--data", pool)


def test_word_error_rates_by_group_of_speakers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, data = tmp_path / "source", tmp_path / "data"
    books = source / "mini_librispeech" / "LibriSpeech"
    books.mkdir(parents=True)
    (books / "SPEAKERS.TXT").write_text(
        "; a comment\n14   | F | train-clean-360 | 25.03 | A | B\n16 | M | x | 25 | C\n"
    )
    (source / "speechocean762").mkdir()
    ages = [("1", 6, "m"), ("2", 16, "f"), ("3", 30, "f")]
    (source / "speechocean762" / "manifest.jsonl").write_text(
        "".join(
            json.dumps({"speaker": speaker, "age": age, "gender": gender}) + "\n"
            for speaker, age, gender in ages
        )
    )
    data.mkdir()
    speakers = [
        "mini_librispeech-14",
        "mini_librispeech-16",
        *(f"speechocean762-{speaker}" for speaker, *_ in ages),
    ]
    write_manifest(
        data / "test-all.jsonl",
        [
            Utterance(f"u{number}", tmp_path / "x.wav", 1.0, "one two", speaker=speaker)
            for number, speaker in enumerate([*speakers, "fsdd-x"])
        ],
    )
    hypotheses = tmp_path / "hypotheses.txt"
    hypotheses.write_text("u0 one two\nu1 one\nu2\nu3 one two three\nu4 two two\nu5 nothing\n")
    assert run(groups, hypotheses, "--source", source, "--data", data) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| Mandarin speakers, 13 to 17 years | 1 | 2 | 50.00 |",
        "| Mandarin speakers, children to 12 years | 1 | 2 | 100.00 |",
        "| Mandarin speakers, women | 1 | 2 | 50.00 |",
        "| audio books, men | 1 | 2 | 50.00 |",
        "| audio books, women | 1 | 2 | 0.00 |",
    ]
    assert "SPEAKERS.TXT" in refusal(capsys, groups, hypotheses, "--source", data, "--data", data)


class TestDictated:
    @pytest.fixture
    def dictionary(self, tmp_path: Path) -> Path:
        path = tmp_path / "cmudict.dict"
        path.write_text("a AH\na(2) EY\nbe B IY\nbear B EH R\ndon't D OW N T\nsea S IY\n", encoding="utf-8")
        write_manifest(tmp_path / "dev.jsonl", [Utterance("1", tmp_path / "a.wav", 1.0, "b")])
        return path

    def lines(self, data: Path) -> list[str]:
        return (data / "dictated.txt").read_text(encoding="utf-8").splitlines()

    def test_lines_are_said_letter_by_letter_and_number_by_number(
        self, tmp_path: Path, dictionary: Path
    ) -> None:
        assert run(dictated, dictionary, "--data", tmp_path, "--lines", "3000") == 0
        lines = self.lines(tmp_path)
        assert len(lines) == 3000
        assert {"b e a r", "s e a", "bear b e a r", "b e"} <= set(lines)
        letters = {word for line in lines for word in line.split() if len(word) == 1}
        assert letters == set("abcdefghijklmnopqrstuvwxyz")
        assert any(line.startswith("march ") and " nineteen " in line for line in lines)
        assert any(line.endswith(" and a half") for line in lines)
        words = {word for line in lines for word in line.split()}
        assert {"oh", "zero", "ninth", "third", "thirty", "twelve"} <= words
        assert not words & {"don't", "a(2)", "0"}

    def test_the_same_lines_come_from_the_same_seed(self, tmp_path: Path, dictionary: Path) -> None:
        files = set()
        for seed in ("0", "0", "1"):
            assert run(dictated, dictionary, "--data", tmp_path, "--lines", "50", "--seed", seed) == 0
            files.add((tmp_path / "dictated.txt").read_bytes())
        assert len(files) == 2

    def test_what_is_held_out_is_left_out(self, tmp_path: Path, dictionary: Path) -> None:
        texts = {"test-an4": "b e a r", "dev": "s e a", "train": "bear b e a r", "test-fsdd": "b e"}
        for name, said in texts.items():
            write_manifest(tmp_path / f"{name}.jsonl", [Utterance("1", tmp_path / "a.wav", 1.0, said)])
        assert run(dictated, dictionary, "--data", tmp_path, "--lines", "3000") == 0
        lines = set(self.lines(tmp_path))
        assert not {"b e a r", "s e a"} & lines
        assert {"bear b e a r", "b e"} <= lines  # of training, and too short to give anything away

    def test_without_manifests_nothing_can_be_left_out(
        self, tmp_path: Path, dictionary: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "dev.jsonl").unlink()
        assert "run prepare.py first" in refusal(capsys, dictated, dictionary, "--data", tmp_path)
        assert not (tmp_path / "dictated.txt").exists()

    @pytest.mark.usefixtures("dictionary")
    def test_a_dictionary_that_is_not_there_is_named(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert "nothing.dict" in refusal(capsys, dictated, tmp_path / "nothing.dict", "--data", tmp_path)
