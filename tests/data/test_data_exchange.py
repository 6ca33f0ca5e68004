"""Importers and exporters: every layout by example, round trips, and errors that name the line."""

import io
import json

import numpy as np
import pytest
import soundfile as sf

from ctcasr.data import Utterance, read_manifest
from ctcasr.data.exchange import EXPORTERS, IMPORTERS, ImportSettings
from ctcasr.errors import DataError

ROUND_TRIPS = {"kaldi": "kaldi", "csv": "table.csv", "nemo": "nemo.jsonl", "lhotse": "cuts.jsonl.gz"}


def sound(path, seconds=1.0, rate=8000):
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, 0.1 * np.random.default_rng(0).standard_normal(round(seconds * rate)), rate)
    return path


def read(layout, source, tmp_path, **options):
    return IMPORTERS[layout](source, ImportSettings(tmp_path / "out", **options))


def facts(utterances):
    return [
        (u.id, u.text, u.speaker, u.offset_seconds, pytest.approx(u.duration_seconds)) for u in utterances
    ]


@pytest.fixture
def kaldi(tmp_path):
    sound(tmp_path / "kaldi" / "a.wav", 2.0)
    tables = {
        "wav.scp": f"rec1 {tmp_path}/kaldi/a.wav\n",
        "text": "u1 hello world\nu2\tgood  bye\nu3\n",
        "utt2spk": "u1 ann\nu2 bob\n",
        "segments": "u1 rec1 0.0 0.75\nu2 rec1 0.75 1.5\nu3 rec1 1.5 -1\n",
    }
    for name, content in tables.items():
        (tmp_path / "kaldi" / name).write_text(content, encoding="utf-8")
    return tmp_path / "kaldi"


def test_kaldi(kaldi, tmp_path):
    assert facts(read("kaldi", kaldi, tmp_path)) == [
        ("u1", "hello world", "ann", 0.0, 0.75),
        ("u2", "good bye", "bob", 0.75, 0.75),
        ("u3", "", None, 1.5, 0.5),
    ]
    (kaldi / "segments").unlink()
    (kaldi / "text").write_text("rec1 whole\n")
    (kaldi / "wav.scp").write_text("rec1 a.wav\n")  # beside the table
    assert facts(read("kaldi", kaldi, tmp_path)) == [("rec1", "whole", None, 0.0, 2.0)]


def test_kaldi_pipes_run_only_when_they_are_allowed(kaldi, tmp_path):
    (kaldi / "wav.scp").write_text(f"rec1 cat {kaldi}/a.wav |\n")
    with pytest.raises(DataError, match=r"wav.scp:1: rec1 is the output of a command .* --allow-pipes"):
        read("kaldi", kaldi, tmp_path)
    assert not (tmp_path / "out").exists()
    assert len(read("kaldi", kaldi, tmp_path, allow_pipes=True)) == 3
    (kaldi / "wav.scp").write_text("rec1 false |\n")
    with pytest.raises(DataError, match=r"wav.scp:1: the command of rec1 failed"):
        read("kaldi", kaldi, tmp_path, allow_pipes=True)


@pytest.mark.parametrize(
    ("table", "content", "message"),
    [
        ("wav.scp", "rec1 /none.wav\n", "wav.scp:1: /none.wav: cannot be opened"),
        ("wav.scp", "rec1\n", "wav.scp:1: rec1 has no path"),
        ("wav.scp", "other a.wav\n", "text:1: u1 has no recording rec1"),
        ("text", "u1 a\nu1 b\n", "text:2: u1 stands already in"),
        ("text", "u9 a\n", "text:1: u9 is not in segments"),
        ("segments", "u1 rec1 0\nu2 rec1 0 1\nu3 rec1 0 1\n", "segments:1: found 'rec1 0'"),
        ("segments", "u1 rec1 2 1\nu2 rec1 0 1\nu3 rec1 0 1\n", "segments:1: a segment from 2.0 to 1.0"),
    ],
)
def test_wrong_kaldi_folders(kaldi, tmp_path, table, content, message):
    (kaldi / table).write_text(content)
    with pytest.raises(DataError) as caught:
        read("kaldi", kaldi, tmp_path)
    assert message in str(caught.value)


def test_librispeech(tmp_path):
    folder = tmp_path / "LibriSpeech" / "dev" / "12" / "34"
    sound(folder / "12-34-0000.flac")
    (folder / "12-34.trans.txt").write_text("12-34-0000 HE SAID IT'S\n")
    assert facts(read("librispeech", tmp_path / "LibriSpeech", tmp_path)) == [
        ("12-34-0000", "he said it's", "12", 0.0, 1.0)
    ]
    (folder / "12-34.trans.txt").write_text("12-34-0000 A\n12-34-0001 B\n")
    with pytest.raises(DataError, match=r"12-34.trans.txt:2: 12-34-0001 has no recording"):
        read("librispeech", tmp_path, tmp_path)
    with pytest.raises(DataError, match=r"holds no \*.trans.txt"):
        read("librispeech", tmp_path / "none", tmp_path)


def test_common_voice(tmp_path):
    sound(tmp_path / "clips" / "x_1.mp3".replace("mp3", "wav"))
    header = "client_id\tpath\tsentence\tup_votes\n"
    (tmp_path / "train.tsv").write_text(header + 'abc\tx_1.wav\t"Hello, she said.\t2\n')
    assert facts(read("common-voice", tmp_path / "train.tsv", tmp_path)) == [
        ("x_1", '"Hello, she said.', "abc", 0.0, 1.0)
    ]
    (tmp_path / "train.tsv").write_text(header + "abc\tx_1.wav\n")
    with pytest.raises(DataError, match=r"train.tsv:2: 2 fields, expected the 4"):
        read("common-voice", tmp_path / "train.tsv", tmp_path)


def test_csv(tmp_path):
    sound(tmp_path / "x.wav")
    (tmp_path / "t.csv").write_text('id,file,text\nu1,x.wav,"a, b"\n')
    assert facts(read("csv", tmp_path / "t.csv", tmp_path)) == [("u1", "a, b", None, 0.0, 1.0)]
    for content, message in (
        ("id,file\n", "expected one of text"),
        ("", "is empty"),
        ("file,text\nnone.wav,a\n", "t.csv:2: "),
        ("file,text\nx.wav,a\nx.wav,b\n", "t.csv:3: the id 'x' stands already in"),
    ):
        (tmp_path / "t.csv").write_text(content)
        with pytest.raises(DataError) as caught:
            read("csv", tmp_path / "t.csv", tmp_path)
        assert message in str(caught.value)


def test_folder(tmp_path):
    sound(tmp_path / "c" / "a" / "1.wav")
    sound(tmp_path / "c" / "b" / "1.flac")
    (tmp_path / "c" / "a" / "1.txt").write_text("one\ntwo\n")
    (tmp_path / "c" / "b" / "1.lab").write_text("three")
    assert facts(read("folder", tmp_path / "c", tmp_path)) == [
        ("a-1", "one two", None, 0.0, 1.0),
        ("b-1", "three", None, 0.0, 1.0),
    ]
    (tmp_path / "c" / "b" / "1.lab").unlink()
    with pytest.raises(DataError, match=r"1.flac: has no text beside it"):
        read("folder", tmp_path / "c", tmp_path)


def test_nemo_utterances_of_one_name(tmp_path):
    line = {"audio_filepath": "x.wav", "duration": 1, "text": "a"}
    (tmp_path / "n.json").write_text("".join(json.dumps(line | {"offset": n}) + "\n" for n in range(3)))
    assert [u.id for u in read("nemo", tmp_path / "n.json", tmp_path)] == ["x", "x-2", "x-3"]
    (tmp_path / "n.json").write_text('{"audio_filepath": "x.wav"}\n')
    with pytest.raises(DataError, match=r"n.json:1: has no `duration`"):
        read("nemo", tmp_path / "n.json", tmp_path)


@pytest.mark.parametrize("layout", ROUND_TRIPS)
def test_what_is_exported_can_be_imported(layout, tmp_path):
    if layout == "lhotse":
        pytest.importorskip("lhotse")
    utterances = [
        Utterance(f"u{n}", sound(tmp_path / "in" / f"{n}.wav", 1 + n), 1.0 + n, "a b", speaker=f"s{n}")
        for n in range(3)
    ]
    if layout != "csv":
        utterances.append(Utterance("v", utterances[2].audio_path, 0.5, "c", 1.25, speaker="s0"))
    EXPORTERS[layout](tmp_path / ROUND_TRIPS[layout], utterances)
    back = read(layout, tmp_path / ROUND_TRIPS[layout], tmp_path)
    assert facts(sorted(back, key=lambda u: u.id)) == facts(utterances)
    assert [u.audio_path.resolve() for u in back] == [u.audio_path.resolve() for u in utterances]


def test_what_a_layout_cannot_say_is_an_error(tmp_path):
    path = sound(tmp_path / "x.wav", 2)
    with pytest.raises(DataError, match="begins within its recording"):
        EXPORTERS["csv"](tmp_path / "t.csv", [Utterance("u", path, 1.0, "a", 0.5)])
    with pytest.raises(DataError, match="holds white space"):
        EXPORTERS["kaldi"](tmp_path / "k", [Utterance("u 1", path, 1.0, "a")])


@pytest.mark.parametrize("layout", ["lhotse", "nemo"])
def test_what_cannot_be_exported_is_told_in_one_sentence(layout, tmp_path):
    if layout == "lhotse":
        pytest.importorskip("lhotse")
    path = tmp_path / ("cuts.jsonl.gz" if layout == "lhotse" else "")  # a folder is no place for a manifest
    with pytest.raises(DataError) as caught:
        EXPORTERS[layout](path, [Utterance("u", tmp_path / "gone.wav", 1.0, "a", where="m.jsonl:1")])
    assert "\n" not in str(caught.value)
    assert ("m.jsonl:1" in str(caught.value)) == (layout == "lhotse")


def test_hugging_face(tmp_path):
    datasets = pytest.importorskip("datasets")
    buffer = io.BytesIO()
    sf.write(buffer, np.zeros(8000), 8000, format="WAV")
    stored = [{"bytes": buffer.getvalue(), "path": "x.wav"}] * 2
    table = datasets.Dataset.from_dict({"audio": stored, "sentence": ["a", "b"], "speaker_id": [7, 8]})
    table = table.cast_column("audio", datasets.Audio(decode=False)).cast_column("audio", datasets.Audio())
    datasets.DatasetDict({"train": table}).save_to_disk(str(tmp_path / "saved"))
    found = read("hugging-face", tmp_path / "saved", tmp_path)
    assert facts(found) == [("train-000000-x", "a", "7", 0.0, 1.0), ("train-000001-x", "b", "8", 0.0, 1.0)]
    assert found[0].audio_path.is_file()
    with pytest.raises(DataError, match="is no saved dataset"):
        read("hugging-face", tmp_path, tmp_path)


class TestCommandLine:
    def test_import_and_export(self, ctcasr, kaldi, tmp_path):
        said = ctcasr("data", "import", "kaldi", kaldi, "-o", tmp_path / "m.jsonl")
        assert (said.code, said.out) == (0, f"{tmp_path}/m.jsonl: 3 utterances\n")
        assert [u.text for u in read_manifest(tmp_path / "m.jsonl")] == ["hello world", "good bye", ""]
        assert ctcasr("data", "export", "kaldi", tmp_path / "m.jsonl", "-o", tmp_path / "k").code == 0
        assert (tmp_path / "k" / "utt2spk").read_text() == "u1 ann\nu2 bob\nu3 u3\n"
        assert ctcasr("data", "import", "kaldi", tmp_path, "-o", tmp_path / "m.jsonl").code == 1
        assert ctcasr("data", "import", "klingon", tmp_path, "-o", tmp_path / "m.jsonl").code == 2

    def test_prepare_through_lhotse(self, ctcasr, tmp_path):
        pytest.importorskip("lhotse")
        for number in range(60):
            sound(tmp_path / "c" / ("_".join(f"{number:08b}") + ".wav"), 0.1)
        said = ctcasr("data", "prepare", "yesno", tmp_path / "c", "-o", tmp_path / "out")
        assert (said.code, said.errors) == (0, [])
        assert (
            said.out
            == f"{tmp_path}/out/train.jsonl: 30 utterances\n{tmp_path}/out/test.jsonl: 30 utterances\n"
        )
        assert read_manifest(tmp_path / "out" / "test.jsonl")[0].text == "NO NO NO NO NO NO NO YES"
        said = ctcasr("data", "prepare", "nothing", tmp_path, "-o", tmp_path / "out")
        assert said.code == 2
        assert "lhotse has no preparer 'nothing'" in said.err
        assert ctcasr("data", "prepare", "yesno", tmp_path / "gone", "-o", tmp_path / "out").code == 1
