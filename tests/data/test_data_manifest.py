"""Manifests: what is written is read, and every bad line is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.data import Utterance, read_manifest, write_manifest
from ctcasr.errors import DataError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
GOOD = {"audio_filepath": "a.wav", "duration": 1.5, "text": "yes"}


def line(**fields: object) -> str:
    return json.dumps(GOOD | fields)


def manifest(folder: Path, content: str | bytes) -> Path:
    path = folder / "train.jsonl"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("manifests")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    texts=st.lists(TEXTS, min_size=1, max_size=4),
    speaker=st.none() | TEXTS,
    duration=st.floats(1e-3, 1e5),
    offset=st.floats(0, 1e5),
)
def test_round_trip(
    folder: Path, texts: list[str], speaker: str | None, duration: float, offset: float
) -> None:
    written = [
        Utterance(f"utt-{i}", folder / "audio" / f"{i}.wav", duration, text, offset, speaker)
        for i, text in enumerate(texts)
    ]
    path = folder / "sub" / "all.jsonl"
    write_manifest(path, written)
    read = read_manifest(path)
    assert [(u.id, u.text, u.offset_seconds, u.speaker) for u in read] == [
        (u.id, u.text, u.offset_seconds, u.speaker) for u in written
    ]
    assert [u.audio_path.resolve() for u in read] == [u.audio_path for u in written]
    assert all(abs(u.duration_seconds - duration) <= 5e-7 for u in read)
    assert [u.where for u in read] == [f"all.jsonl:{i + 1}" for i in range(len(texts))]
    assert [path.name for path in path.parent.iterdir()] == ["all.jsonl"]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    duration=st.floats(1e-3, 1e5),
    places=st.lists(st.floats(0, 1), max_size=10).map(lambda found: sorted(found[: len(found) // 2 * 2])),
)
def test_words_come_back_in_order_and_inside_the_utterance(
    folder: Path, duration: float, places: list[float]
) -> None:
    words = tuple((duration * places[n], duration * places[n + 1]) for n in range(0, len(places), 2))
    path = folder / "words.jsonl"
    write_manifest(
        path, [Utterance("a", folder / "a.wav", duration, " ".join("x" for _ in words), words=words)]
    )
    (read,) = read_manifest(path)
    assert read.words is not None
    assert len(read.words) == len(words)
    flat = [0.0, *(second for word in read.words for second in word), read.duration_seconds]
    assert flat == sorted(flat)
    assert flat[1:-1] == pytest.approx([second for word in words for second in word], abs=0.6e-3)


def test_words_are_read_only_where_they_are(tmp_path: Path) -> None:
    lines = [
        line(),
        line(id="b", words=None),
        line(id="c", words=[[0.5, 1]]),
        line(id="d", text="", words=[]),
    ]
    found = read_manifest(manifest(tmp_path, "\n".join(lines)))
    assert [utterance.words for utterance in found] == [None, None, ((0.5, 1.0),), ()]
    write_manifest(tmp_path / "again.jsonl", found)
    fields = [json.loads(text) for text in (tmp_path / "again.jsonl").read_text().splitlines()]
    assert [entry.get("words") for entry in fields] == [None, None, [[0.5, 1.0]], []]
    assert ["words" in entry for entry in fields] == [False, False, True, True]


def test_words_may_be_a_little_rounded(tmp_path: Path) -> None:
    words = [[0, 0.5], [0.4995, 1.5009]]
    (found,) = read_manifest(manifest(tmp_path, line(text="oh yes", words=words)))
    assert found.words == ((0.0, 0.5), (0.5, 1.5))


def test_fields_and_their_defaults(tmp_path: Path) -> None:
    path = manifest(tmp_path, line(audio_filepath="wav/x.y.flac", note=1) + "\n" + line(text="", id="b"))
    first, second = read_manifest(path)
    assert first == Utterance("x.y", tmp_path / "wav/x.y.flac", 1.5, "yes", 0.0, None, "train.jsonl:1")
    assert (second.id, second.text) == ("b", "")
    assert str(first) == "x.y (train.jsonl:1)"
    assert str(Utterance("x", Path("x.wav"), 1)) == "x"


def test_absolute_paths_stay(tmp_path: Path) -> None:
    (utterance,) = read_manifest(manifest(tmp_path, line(audio_filepath="/data/a.wav")))
    assert utterance.audio_path == Path("/data/a.wav")


def test_written_paths_are_relative(tmp_path: Path) -> None:
    path = tmp_path / "lists" / "train.jsonl"
    write_manifest(path, [Utterance("a", tmp_path / "audio" / "a.wav", 1)])
    assert json.loads(path.read_text())["audio_filepath"] == "../audio/a.wav"


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + line().encode(),
        (line() + "\r\n\r\n" + line(id="b") + "\r\n").encode(),
        ("\n  \n" + line()).encode(),
    ],
    ids=["BOM", "CRLF", "empty lines"],
)
def test_editors_habits_are_read(tmp_path: Path, content: bytes) -> None:
    utterances = read_manifest(manifest(tmp_path, content))
    assert utterances[0].text == "yes"
    assert len({u.id for u in utterances}) == content.count(b"{")


def test_line_numbers_count_empty_lines(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train\.jsonl:4: not a JSON object"):
        read_manifest(manifest(tmp_path, line() + "\n\n\n{"))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("{", "not a JSON object"),
        ("[" * 100_000, "not a JSON object"),
        ('{"duration": ' + "1" * 5000 + "}", "not a JSON object"),
        ("[1]", "found a JSON list"),
        ("null", "found a JSON NoneType"),
        ('{"duration": 1, "text": "a"}', "has no `audio_filepath`"),
        ('{"audio_filepath": "b.wav", "text": "a"}', "has no `duration`"),
        (line(audio_filepath=3), "`audio_filepath` is 3; expected a text"),
        (line(audio_filepath=""), "not a path"),
        (line(audio_filepath="a\0b"), "not a path"),
        (line(duration="1"), "`duration` is '1'; expected a number"),
        (line(duration=None), "`duration` is None"),
        (line(duration=True), "`duration` is True; expected seconds, above 0"),
        (line(duration=0), "above 0"),
        (line(duration=-1), "above 0"),
        (line(duration=float("nan")), "`duration` is nan"),
        (line(duration=float("inf")), "`duration` is inf"),
        (line(duration=10**400), "above 0"),
        (line(offset=-0.1), "`offset` is -0.1; expected seconds, 0 or more"),
        (line(offset=float("nan")), "`offset` is nan"),
        (line(text=["a"]), "`text` is \\['a'\\]"),
        (line(text=None), "`text` is None"),
        (line(text="\ud800"), "not Unicode text"),
        (line(id=7), "`id` is 7"),
        (line(id=""), "`id` is empty"),
        (line(speaker=1), "`speaker` is 1"),
        (line(words="[]"), "`words` is '\\[\\]'; expected a list"),
        (line(words=[]), "`words` has 0 entries, the text 1 words; expected as many"),
        (line(words=[[0, 1], [1, 1.2]]), "`words` has 2 entries, the text 1 words"),
        (line(text="", words=[[0, 1]]), "`words` has 1 entries, the text 0 words"),
        (
            line(words=[0.5]),
            r"word 1 of `words` is 0.5; expected \[start, end\] in seconds, from 0, .* to 1.5",
        ),
        (line(words=[[0.5]]), r"word 1 of `words` is \[0.5\]"),
        (line(words=[[0.5, 1, 1.2]]), r"word 1 of `words` is \[0.5, 1, 1.2\]"),
        (line(words=[["0", "1"]]), r"word 1 of `words` is \['0', '1'\]"),
        (line(words=[[False, True]]), r"word 1 of `words` is \[False, True\]"),
        (line(words=[{"start": 0, "end": 1}]), r"word 1 of `words` is \{"),
        (line(words=[[-0.1, 1]]), r"word 1 of `words` is \[-0.1, 1\]"),
        (line(words=[[1, 0.5]]), r"word 1 of `words` is \[1, 0.5\]"),
        (line(words=[[1, 1.502]]), r"word 1 of `words` is \[1, 1.502\]"),
        (line(words=[[1, 10**400]]), r"word 1 of `words` is \[1, 1000"),
        (line(words=[[float("nan"), 1]]), r"word 1 of `words` is \[nan, 1\]"),
        (line(words=[[0, float("nan")]]), r"word 1 of `words` is \[0, nan\]"),
        (
            line(text="oh yes", words=[[0, 0.5], [0.498, 1]]),
            r"word 2 of `words` is \[0.498, 1\]; expected \[start, end\] in seconds, from 0.5,",
        ),
        (line(), "the id 'a' stands already in train.jsonl:1"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, bad: str, message: str) -> None:
    path = manifest(tmp_path, line() + "\n" + bad + "\n")
    with pytest.raises(DataError, match=message) as caught:
        read_manifest(path)
    assert f"{path}:2: " in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "lists no utterance"), (b"\n\n", "lists no"), (b"\xff", "UTF-8")]
)
def test_bad_files_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = manifest(tmp_path, content)
    with pytest.raises(DataError, match=message) as caught:
        read_manifest(path)
    assert str(path) in str(caught.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.jsonl: cannot be read"):
        read_manifest(tmp_path / "none.jsonl")


def test_a_failed_write_leaves_the_old_manifest(tmp_path: Path) -> None:
    path = manifest(tmp_path, line())

    def utterances():
        yield Utterance("b", tmp_path / "b.wav", 1)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_manifest(path, utterances())
    assert [u.id for u in read_manifest(path)] == ["a"]
