"""The options of decoding in `transcribe` and `evaluate`: each changes the output, each bad part is one sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ctcasr import lm
from ctcasr.decoding.lexicon import Lexicon
from ctcasr.runtime.bundle import LANGUAGE_MODEL, LEXICON
from ctcasr.text import Vocabulary

Run = Callable[..., Any]
Record = Callable[..., Path]
LETTERS = "abcdefghij"
WORDS = [*LETTERS, *(first + second for first in LETTERS for second in LETTERS)]
FEWER = [word for word in WORDS if not set(word) & set("ai")]


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A lexicon of all words of one letter and two."""
    path = tmp_path / "words.txt"
    path.write_text("".join(f"{word}\n" for word in WORDS), encoding="utf-8")
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A language model over such words, the first letters the most probable."""
    text, path = tmp_path / "text.txt", tmp_path / "words.arpa"
    lines = (" ".join(WORDS[: 1 + number]) for number in range(len(WORDS)))
    text.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    lm.write_arpa(lm.kneser_ney(lm.count_ngrams([text], lm.CountSettings(order=2))), path)
    return path


@pytest.fixture
def symbol_model(tmp_path: Path) -> Path:
    text, path = tmp_path / "letters.txt", tmp_path / "letters.npz"
    text.write_text("abab baba\njiji ij\n" * 5, encoding="utf-8")
    counts = lm.count_ngrams([text], lm.CountSettings(order=2, unit="char"))
    lm.save(lm.NGramModel.from_tables(lm.kneser_ney(counts)), path)
    return path


@pytest.fixture
def decode(ctcasr: Run, tiny_bundle: Path, record: Record) -> Callable[..., dict[str, Any]]:
    """Transcribe two seconds to JSON with some options."""
    path = record(seconds=2.0)

    def run(*options: object, bundle: Path = tiny_bundle) -> dict[str, Any]:
        said = ctcasr("transcribe", path, "-m", bundle, "-f", "json", *options)
        assert (said.code, said.err) == (0, "")
        found: dict[str, Any] = json.loads(said.out)
        return found

    return run


Decode = Callable[..., dict[str, Any]]


class TestOptions:
    def test_beam_size(self, decode: Decode) -> None:
        found = {size: decode("--beam-size", size) for size in (1, 4, 64)}
        assert len({entry["confidence"] for entry in found.values()}) == 3
        assert found[1]["confidence"] == 1.0  # alone in its list

    def test_lexicon(self, decode: Decode, words: Path) -> None:
        found = decode("--lexicon", words)
        assert found["text"]
        assert set(found["text"].split()) <= set(WORDS)
        assert not set(decode("--beam-size", 8)["text"].split()) <= set(WORDS)

    def test_a_model_over_words_brings_its_lexicon(self, decode: Decode, model: Path) -> None:
        found = decode("--lm", model)
        assert set(found["text"].split()) <= set(WORDS)

    def test_a_model_over_symbols(self, decode: Decode, symbol_model: Path) -> None:
        plain, weighed = decode("--beam-size", 16), decode("--beam-size", 16, "--lm", symbol_model)
        assert weighed["text"] != plain["text"]

    def test_all_three_forms_of_a_model(self, decode: Decode, ctcasr: Run, model: Path) -> None:
        expected = decode("--lm", model)
        for suffix in (".arpa.gz", ".npz"):
            other = model.with_name(f"other{suffix}")
            assert ctcasr("lm", "convert", model, "-o", other).code == 0
            assert decode("--lm", other) == expected

    @pytest.mark.parametrize(
        ("option", "values"),
        [("--lm-weight", (0, 3)), ("--word-bonus", (-5, 5)), ("--unknown-cost", (-0.5, -50))],
    )
    def test_weights(self, decode: Decode, model: Path, option: str, values: tuple[float, float]) -> None:
        lower, higher = (decode("--lm", model, option, value)["text"] for value in values)
        assert lower != higher

    def test_hotword(self, decode: Decode, words: Path) -> None:
        options = ("--lexicon", words, "--hotword-boost", 20, "--hotword")
        plain = decode("--lexicon", words)
        absent = next(word for word in LETTERS if word not in plain["text"].split())
        found = decode(*options, absent.upper())
        assert absent in found["text"].split()
        assert not any("hot" in word for word in plain["words"])
        assert {word["word"] for word in found["words"] if "hot" in word} == {absent}

    def test_hotword_boost(self, decode: Decode, words: Path) -> None:
        texts = {
            boost: decode("--lexicon", words, "--hotword", "a", "--hotword", "bc", "--hotword-boost", boost)
            for boost in (0, 20)
        }
        assert texts[0]["text"] == decode("--lexicon", words)["text"] != texts[20]["text"]

    def test_a_hotword_outside_the_lexicon_can_be_written(self, decode: Decode, words: Path) -> None:
        found = decode("--lexicon", words, "--hotword", "abc", "--hotword-boost", 30)
        assert "abc" in found["text"].split()

    def test_nbest(self, decode: Decode, model: Path) -> None:
        found = decode("--lm", model, "--lm-weight", 0.5, "--word-bonus", 1, "--nbest", 5)
        listed = found["nbest"]
        assert listed[0]["text"] == found["text"]
        assert len({entry["text"] for entry in listed}) == len(listed) == 5
        scores = [entry["log_prob"] for entry in listed]
        assert scores == sorted(scores, reverse=True)
        for entry in listed:
            bonus = len(entry["text"].split())
            total = entry["acoustic_log_prob"] + 0.5 * entry["lm_log_prob"] + bonus
            assert entry["log_prob"] == pytest.approx(total, abs=1e-3)
        assert decode("--lm", model, "--lm-weight", 0.5, "--word-bonus", 1) == {
            name: value for name, value in found.items() if name != "nbest"
        }

    def test_threads_decode_the_same(
        self, ctcasr: Run, tiny_bundle: Path, record: Record, model: Path
    ) -> None:
        paths = [record(f"{number}.wav", number) for number in range(8)]
        one, four = (
            ctcasr("transcribe", *paths, "-m", tiny_bundle, "--lm", model, "-f", "json", "--threads", count)
            for count in (1, 4)
        )
        assert (one.code, one.err, one.out) == (0, "", four.out)


class TestEvaluate:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "options",
        [
            ["--beam-size", "2"],
            ["--lexicon", "words.txt"],
            ["--lm", "words.arpa"],
            ["--lm", "words.arpa", "--lm-weight", "3"],
            ["--lm", "words.arpa", "--word-bonus", "-5"],
            ["--lm", "words.arpa", "--unknown-cost", "-0.5"],
            ["--lexicon", "words.txt", "--hotword", "A", "--hotword-boost", "20"],
        ],
        ids=" ".join,
    )
    @pytest.mark.usefixtures("model")
    def test_it_decodes_as_transcribe_does(
        self,
        ctcasr: Run,
        tiny_bundle: Path,
        record: Record,
        words: Path,
        options: list[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(words.parent)
        paths = [record(f"{number}.wav", number) for number in range(3)]
        said = ctcasr("transcribe", *paths, "-m", tiny_bundle, *options)
        lines = [
            {"id": path.stem, "audio_filepath": path.name, "duration": 1.0, "text": "a"} for path in paths
        ]
        Path("dev.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        assert ctcasr("evaluate", "dev.jsonl", "-m", tiny_bundle, "--hypotheses", "h", *options).code == 0
        assert Path("h").read_text(encoding="utf-8") == said.out


@pytest.fixture
def carrying(own_bundle: Path, words: Path, model: Path, tiny_vocabulary: Vocabulary) -> Path:
    """A bundle with a language model and a lexicon of its own, of words without two of the letters."""
    lexicon = Lexicon.of_characters(FEWER, tiny_vocabulary)
    lexicon.write(own_bundle / LEXICON, tiny_vocabulary.symbols)
    lm.save(lm.read_arpa(model), own_bundle / LANGUAGE_MODEL)
    return own_bundle


class TestBundleWithItsOwn:
    def test_it_decodes_with_them(self, decode: Decode, carrying: Path) -> None:
        found = decode(bundle=carrying)
        assert set(found["text"].split()) <= set(FEWER)
        assert found == decode("--lm", carrying / LANGUAGE_MODEL, "--lexicon", carrying / LEXICON)

    def test_greedy_does_without(self, decode: Decode, carrying: Path) -> None:
        assert decode("--greedy", bundle=carrying)["text"] == decode()["text"]

    def test_options_come_first(self, decode: Decode, carrying: Path, words: Path, model: Path) -> None:
        other = decode("--lexicon", words, bundle=carrying)
        assert other == decode("--lexicon", words, "--lm", model)
        assert not set(other["text"].split()) <= set(FEWER)
        assert decode("--lm", model, bundle=carrying) == decode(
            "--lm", model
        )  # the lexicon is its own model's

    def test_info_names_them(self, ctcasr: Run, carrying: Path) -> None:
        said = ctcasr("info", carrying).out
        assert "2-grams of 113 words" in said
        assert f"{len(FEWER)} words, {len(FEWER)} spellings" in said
        assert "lm_weight 0.6" in said

    @pytest.mark.parametrize("name", [LANGUAGE_MODEL, LEXICON])
    def test_damage_is_named(self, ctcasr: Run, carrying: Path, record: Record, name: str) -> None:
        (carrying / name).write_bytes(b"\xff\xfe damaged")
        said = ctcasr("transcribe", record(), "-m", carrying)
        assert (said.code, said.out, len(said.errors)) == (2, "", 1)
        assert said.err.startswith(f"error: {carrying / name}")
        assert said.err.rstrip().endswith("or decode with --greedy")
        assert ctcasr("transcribe", record(), "-m", carrying, "--greedy").code == 0

    def test_a_bundle_moves_with_them(self, decode: Decode, carrying: Path, tmp_path: Path) -> None:
        expected = decode(bundle=carrying)
        assert decode(bundle=Path(shutil.move(carrying, tmp_path / "moved"))) == expected


BAD = {
    "model missing": (["--lm", "none.arpa"], 1, "none.arpa: cannot be read"),
    "model a folder": (["--lm", "."], 1, "cannot be read"),
    "model empty": (["--lm", "empty"], 1, "empty"),
    "model cut": (["--lm", "cut.arpa"], 1, "cut.arpa"),
    "model with wrong counts": (["--lm", "counts.arpa"], 1, "counts.arpa"),
    "model in Latin-1": (["--lm", "latin.arpa"], 1, "UTF-8"),
    "model of another language": (["--lm", "other.arpa"], 2, "none of its 2 words can be spelled"),
    "lexicon missing": (["--lexicon", "none.txt"], 1, "none.txt: cannot be read"),
    "lexicon empty": (["--lexicon", "empty"], 1, "has no words"),
    "lexicon in Latin-1": (["--lexicon", "latin.arpa"], 1, "cannot be read as UTF-8"),
    "lexicon of other letters": (
        ["--lexicon", "other.txt"],
        1,
        "other.txt:2: the word 'xyz' is spelled with",
    ),
    "lexicon and a model over symbols": (
        ["--lm", "letters.npz", "--lexicon", "words.txt"],
        2,
        "is a language model over symbols",
    ),
    "hot word of other letters": (["--hotword", "xyz"], 2, "the hot word 'xyz' cannot be spelled"),
    "hot word empty": (["--hotword", " "], 2, "a hot word is empty"),
    "hot word too long": (["--hotword", "a" * 300], 2, "expected at most 200"),
    "boost without hot words": (["--hotword-boost", "2"], 2, "hotword_boost needs hot words"),
    "boost too large": (["--hotword", "abcdefghij", "--hotword-boost", "90"], 2, "too much for a hot word"),
    "weight without a model": (["--lm-weight", "1"], 2, "lm_weight needs a language model"),
    "bonus without words": (["--word-bonus", "1"], 2, "word_bonus needs"),
    "unknown words without a lexicon": (["--unknown-cost", "-1"], 2, "unknown_cost needs a lexicon"),
    "cost above zero": (["--lexicon", "words.txt", "--unknown-cost", "1"], 2, "unknown_cost = 1.0: "),
    "weight not a number": (["--lm", "words.arpa", "--lm-weight", "nan"], 2, "lm_weight = nan: "),
    "no beam": (["--beam-size", "0"], 2, "beam_size = 0: "),
    "beam too large": (["--beam-size", "1000000"], 2, "beam_size = 1000000: "),
    "greedy with a beam": (["--greedy", "--beam-size", "4"], 2, "greedy decoding has no beam"),
    "greedy with hot words": (["--greedy", "--hotword", "a"], 2, "greedy decoding has no beam"),
}


class TestBadParts:
    @pytest.fixture
    def _parts(self, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        text = model.read_text(encoding="utf-8")
        counts = f"ngram 1={len(WORDS) + 3}"
        assert counts in text
        (tmp_path / "empty").write_text(" \n", encoding="utf-8")
        (tmp_path / "cut.arpa").write_text(text[: len(text) // 2], encoding="utf-8")
        (tmp_path / "counts.arpa").write_text(text.replace(counts, "ngram 1=7"), encoding="utf-8")
        (tmp_path / "latin.arpa").write_bytes(text.replace("\ta\t", "\té\t").encode("latin-1"))
        other = "\\data\\\nngram 1=4\n\n\\1-grams:\n-1\t<unk>\n-1\t</s>\n-1\txyz\n-1\tXYZ\n\n\\end\\\n"
        (tmp_path / "other.arpa").write_text(other, encoding="utf-8")
        (tmp_path / "other.txt").write_text("ab\nxyz\n", encoding="utf-8")
        monkeypatch.chdir(tmp_path)

    @pytest.mark.slow
    @pytest.mark.parametrize(("options", "code", "says"), BAD.values(), ids=BAD.keys())
    @pytest.mark.usefixtures("_parts", "words", "symbol_model")
    def test_one_sentence(
        self, ctcasr: Run, tiny_bundle: Path, record: Record, options: list[str], code: int, says: str
    ) -> None:
        said = ctcasr("transcribe", record(), "-m", tiny_bundle, *options)
        assert (said.code, said.out, len(said.errors)) == (code, "", 1)
        assert says in said.err
        assert said.err.count("\n") == 1

    def test_several_hypotheses_need_json(self, ctcasr: Run, tiny_bundle: Path, record: Record) -> None:
        for options in (["--nbest", 2], ["--nbest", 2, "-f", "json", "--greedy"]):
            said = ctcasr("transcribe", record(), "-m", tiny_bundle, *options)
            assert (said.code, said.out) == (2, "")
            assert "--nbest 2 needs a beam search" in said.err
