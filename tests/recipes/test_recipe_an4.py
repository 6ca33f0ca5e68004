from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from ctcasr.data import read_manifest
from ctcasr.training.config_files import read_config
from ctcasr.training.starting import read_start
from tests.recipes.layouts import ROOT, corpus, load_recipe, parts, refusal, run, samples

an4 = load_recipe("an4")
WORD_TIMES = an4.WORD_TIMES

TRAIN = {
    "an4_clstk/fash/an251-fash-b": "<s> YES </s> (an251-fash-b)",
    "an4_clstk/fash/cen1-fash-b": "<s> G L E N N </s> (cen1-fash-b)",
    "an4_clstk/mjgm/an2-mjgm-b": "<s> ENTER  SIX TWO </s>   (an2-mjgm-b)",
    "an4_clstk/fclc/an146-fclc-b": "<s> N L N S ONE </s> (an146-fclc-b)",
    "an4_clstk/mtje/an9-mtje-b": "<s> START </s> (an9-mtje-b)",
}
TEST = {
    "an4test_clstk/fcaw/an406-fcaw-b": "RUBOUT G M E F THREE NINE (an406-fcaw-b)",
    "an4test_clstk/marh/an431-marh-b": "E (an431-marh-b)",
}


def write_recording(stem: Path, suffix: str, seed: int) -> None:
    """Write 16 kHz noise in one of the formats in which AN4 is found."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    path, wave = stem.with_name(stem.name + suffix), samples(seed)
    if suffix == ".raw":
        path.write_bytes(wave.astype(">i2").tobytes())
    elif suffix == ".sph":
        sf.write(path, wave, 16000, format="NIST", subtype="PCM_16", endian="BIG")
    else:
        sf.write(path, wave, 16000, subtype="PCM_16")


def make_source(folder: Path, suffix: str) -> Path:
    """Make a tree of the published layout."""
    (folder / "etc").mkdir(parents=True)
    for part, lines in (("train", TRAIN), ("test", TEST)):
        (folder / "etc" / f"an4_{part}.fileids").write_text("\n".join(lines) + "\n")
        (folder / "etc" / f"an4_{part}.transcription").write_text("\n".join(lines.values()) + "\n")
    for seed, file_id in enumerate([*TRAIN, *TEST]):
        write_recording(folder / "wav" / file_id, suffix, seed)
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_source(tmp_path / "source", ".wav")


@pytest.fixture(autouse=True)
def word_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put word times of the tiny corpus in place of the real one's."""
    path = tmp_path / "word_times.tsv"
    path.write_text("cen1-fash-b\t0.00 0.01 0.01 0.02 0.02 0.03 0.03 0.04 0.04 0.05\n")
    monkeypatch.setattr(an4, "WORD_TIMES", path)
    return path


def test_training_utterances_get_the_times_of_their_words(source: Path, tmp_path: Path):
    assert run(an4, "--source", source, "--output", tmp_path / "data") == 0
    train, dev, test = parts(tmp_path / "data")
    (row,) = [row for row in train + dev + test if "words" in row]
    assert row["id"] == "cen1-fash-b"
    assert row["words"] == [[0.0, 0.01], [0.01, 0.02], [0.02, 0.03], [0.03, 0.04], [0.04, 0.05]]


def test_damaged_word_times_are_an_error(
    source: Path, word_times: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for line in ("cen1-fash-b\t0.0 early", "cen1-fash-b\t0.0 0.1 0.2"):
        word_times.write_text(f"{line}\n")
        message = refusal(capsys, an4, "--source", source, "--output", tmp_path / "data")
        assert "word_times.tsv:1: found" in message


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".sph", ".raw"])
def test_every_format_keeps_its_samples(tmp_path: Path, suffix: str):
    source = make_source(tmp_path / "source", suffix)
    assert run(an4, "--source", source, "--output", tmp_path / "data") == 0
    train, dev, test = parts(tmp_path / "data")
    found = {row["id"]: row for row in train + dev + test}
    for seed, file_id in enumerate([*TRAIN, *TEST]):
        row = found[Path(file_id).name]
        wave, rate = sf.read(tmp_path / "data" / row["audio_filepath"], dtype="int16")
        assert rate == 16000
        np.testing.assert_array_equal(wave, samples(seed))
        assert row["duration"] == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("suffix", "packs"), [(".wav", False), (".flac", False), (".sph", True), (".raw", True)]
)
def test_only_what_needs_it_is_repacked(tmp_path: Path, suffix: str, packs: bool):
    source = make_source(tmp_path / "source", suffix)
    run(an4, "--source", source, "--output", tmp_path / "data")
    packed = sorted(path.name for path in (tmp_path / "data").glob("audio/*"))
    names = sorted(f"{Path(file_id).name}.flac" for file_id in [*TRAIN, *TEST])
    assert packed == (names if packs else [])


def test_texts_are_lower_case_with_one_space_between_words(source: Path, tmp_path: Path):
    run(an4, "--source", source, "--output", tmp_path / "data")
    assert {row["id"]: row["text"] for part in parts(tmp_path / "data") for row in part} == {
        "an251-fash-b": "yes",
        "cen1-fash-b": "g l e n n",
        "an2-mjgm-b": "enter six two",
        "an146-fclc-b": "n l n s one",
        "an9-mtje-b": "start",
        "an406-fcaw-b": "rubout g m e f three nine",
        "an431-marh-b": "e",
    }


def test_dev_speakers_are_held_out(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(an4, "--source", source, "--output", tmp_path / "data") == 0
    assert "train 3, dev 2, test 2 utterances" in capsys.readouterr().out
    train, dev, test = parts(tmp_path / "data")
    assert {row["speaker"] for row in train} == {"fash", "mjgm"}
    assert {row["speaker"] for row in dev} == {"fclc", "mtje"}
    assert {row["speaker"] for row in test} == {"fcaw", "marh"}


@pytest.mark.parametrize("name", ["an4_train.fileids", "an4_train.transcription", "an4_test.transcription"])
@pytest.mark.parametrize("how", ["missing", "empty", "not text"])
def test_a_damaged_list_is_an_error(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, how: str
):
    path = source / "etc" / name
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(b"" if how == "empty" else b"\xff\xfe\x00")
    message = refusal(capsys, an4, "--source", source, "--output", tmp_path / "data")
    assert name in message
    assert not (tmp_path / "data").exists()


def test_a_missing_recording_is_an_error(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (source / "wav" / "an4_clstk" / "mjgm" / "an2-mjgm-b.wav").unlink()
    message = refusal(capsys, an4, "--source", source, "--output", tmp_path / "data")
    assert "an2-mjgm-b: no recording" in message


@pytest.mark.parametrize("line", ["YES", "YES (an251 fash b)", "YES (an251-fash-b) NO", "(a) YES (b)"])
def test_a_broken_transcript_is_an_error(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str
):
    path = source / "etc" / "an4_train.transcription"
    path.write_text(path.read_text() + line + "\n")
    message = refusal(capsys, an4, "--source", source, "--output", tmp_path / "data")
    assert f"an4_train.transcription:{len(TRAIN) + 1}: found {line!r}" in message


def test_a_recording_without_transcript_is_an_error(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = source / "etc" / "an4_test.transcription"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    message = refusal(capsys, an4, "--source", source, "--output", tmp_path / "data")
    assert "an431-marh-b has no transcript" in message


@pytest.mark.parametrize("suffix", [".wav", ".raw", ".sph"])
def test_a_damaged_recording_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str):
    source = make_source(tmp_path / "source", suffix)
    (source / "wav" / "an4test_clstk" / "marh" / f"an431-marh-b{suffix}").write_bytes(b"")
    message = refusal(capsys, an4, "--source", source, "--output", tmp_path / "data")
    assert f"an431-marh-b{suffix}" in message


def test_a_wrong_source_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    message = refusal(capsys, an4, "--source", tmp_path, "--output", tmp_path / "data")
    assert "--source must be the unpacked AN4 corpus" in message


@pytest.mark.slow
def test_the_real_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(an4, "WORD_TIMES", WORD_TIMES)
    assert run(an4, "--source", corpus("an4"), "--output", tmp_path) == 0
    train, dev, test = parts(tmp_path)
    assert (len(train), len(dev), len(test)) == (870, 78, 130)
    assert sum(len(row["text"].split()) for row in test) == 773
    groups = [{row["speaker"] for row in part} for part in (train, dev, test)]
    assert sum(map(len, groups)) == len(set.union(*groups))
    assert groups[1] == an4.DEV_SPEAKERS
    assert all(utterance.words for utterance in read_manifest(tmp_path / "train.jsonl"))


DIC = """A                    AH
A(2)                 EY
ENTER                EH N T ER
SIX                  S IH K S
SIX(2)               S EH K S
"""


def test_the_corpus_dictionary_becomes_a_lexicon(source: Path, tmp_path: Path):
    (source / "etc" / "an4.dic").write_text(DIC)
    assert run(an4, "--source", source, "--output", tmp_path / "data") == 0
    # In lower case, and the letter's name before the article.
    assert (tmp_path / "data" / "lexicon.txt").read_text() == (
        "a EY\na AH\nenter EH N T ER\nsix S IH K S\nsix S EH K S\n"
    )


def test_another_dictionary_pronounces_the_same_words(source: Path, tmp_path: Path):
    (source / "etc" / "an4.dic").write_text(DIC)
    other = tmp_path / "cmu.dict"
    other.write_text("a AH0\na(2) EY1\nenter EH1 N T ER0\nsix S IH1 K S # a number\nseven S EH1 V AH0 N\n")
    assert run(an4, "--source", source, "--output", tmp_path / "data", "--dictionary", other) == 0
    assert (tmp_path / "data" / "lexicon.txt").read_text() == "a EY\na AH\nenter EH N T ER\nsix S IH K S\n"


def test_without_its_dictionary_the_words_are_those_of_the_transcripts(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(an4, "--source", source, "--output", tmp_path / "data") == 0
    assert f"{source / 'etc' / 'an4.dic'} is not there: no lexicon.txt" in capsys.readouterr().err
    assert not (tmp_path / "data" / "lexicon.txt").exists()
    other = tmp_path / "cmu.dict"
    words = {word for text in TRAIN.values() for word in text.lower().split() if word.isalpha()}
    other.write_text("".join(f"{word} X\n" for word in sorted(words)) + "rubout R\n")
    assert run(an4, "--source", source, "--output", tmp_path / "data", "--dictionary", other) == 0
    listed = [line.split()[0] for line in (tmp_path / "data" / "lexicon.txt").read_text().splitlines()]
    assert set(listed) <= words
    assert "rubout" not in listed  # a word of the test part alone


def test_a_dictionary_that_does_not_do(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    arguments = ("--source", source, "--output", tmp_path / "data")
    message = refusal(capsys, an4, *arguments, "--dictionary", tmp_path / "none.dict")
    assert "none.dict: is not there" in message
    (source / "etc" / "an4.dic").write_text(DIC)
    (tmp_path / "cmu.dict").write_text("a AH0\n")
    message = refusal(capsys, an4, *arguments, "--dictionary", tmp_path / "cmu.dict")
    assert "the words ['enter', 'six'] are not among the 1 of the dictionary" in message


def test_the_real_dictionaries(tmp_path: Path):
    source, cmu = corpus("an4"), corpus("text/cmudict") / "cmudict.dict"
    for dictionary, phones in ((None, 33), (cmu, 35)):
        found = an4.read_lexicon(source, dictionary, [])
        assert found is not None
        assert len(found.by_word) == 101
        assert found.by_word["a"] == (("EY",), ("AH",))
        assert abs(len(found.phones) - phones) <= 3
        assert not any(phone[-1].isdigit() for phone in found.phones)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["an4", "mini_librispeech"])
def test_the_english_model_is_of_the_shape_that_goes_on_from_it(recipe: str) -> None:
    config = read_config(ROOT / "recipes" / recipe / "from_english.toml")
    start = read_start(config)
    assert start is not None
    assert start.symbols(config.text) is None
    assert sum(weight.numel() for weight in start.weights.values()) == 4_363_736
