"""Output formats and the folder they are written to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ctcasr.errors import ConfigError, CtcAsrError
from ctcasr.runtime import FORMATS, DistinctNames, OutputFolder, Transcript, Word

TRANSCRIPT = Transcript(
    id="talk",
    audio_path="in/talk.wav",
    duration_seconds=1.23456,
    text="a né",
    words=(Word("a", 0.04, 0.08, 0.912345), Word("né", 0.12, 1.23456, 1.0)),
    confidence=0.987654,
)


class TestFormats:
    def test_text_is_the_words(self) -> None:
        assert FORMATS["txt"](TRANSCRIPT) == "a né"

    def test_json_fields(self) -> None:
        line = FORMATS["json"](TRANSCRIPT)
        assert "\n" not in line
        assert "né" in line
        assert json.loads(line) == {
            "id": "talk",
            "audio_filepath": "in/talk.wav",
            "duration": 1.235,
            "text": "a né",
            "confidence": 0.9877,
            "words": [
                {"word": "a", "start": 0.04, "end": 0.08, "confidence": 0.9123},
                {"word": "né", "start": 0.12, "end": 1.235, "confidence": 1.0},
            ],
        }

    def test_json_of_nothing(self) -> None:
        fields = json.loads(FORMATS["json"](Transcript("x", confidence=1.0)))
        assert (fields["text"], fields["words"]) == ("", [])


class TestDistinctNames:
    def test_the_second_of_a_name_is_numbered(self) -> None:
        distinct = DistinctNames()
        assert [distinct(name) for name in ["x", "y", "x", "X", "x"]] == ["x", "y", "x-2", "X-3", "x-4"]

    def test_a_number_that_is_taken_is_passed_over(self) -> None:
        distinct = DistinctNames()
        assert [distinct(name) for name in ["x-2", "x", "x", "x-2", "x"]] == [
            "x-2",
            "x",
            "x-3",
            "x-2-2",
            "x-4",
        ]

    def test_names_that_would_look_the_same_are_the_same(self) -> None:
        distinct = DistinctNames()
        names = [distinct(name) for name in ["a b", "a_b", "a\nb", "a/b", "ß", "SS"]]
        assert names == ["a b", "a_b-2", "a\nb-3", "a/b-4", "ß", "SS-2"]

    def test_ten_thousand_of_a_name(self) -> None:
        distinct = DistinctNames()
        assert len({distinct("audio") for _ in range(10_000)}) == 10_000


class TestOutputFolder:
    def test_one_file_a_transcript(self, tmp_path: Path) -> None:
        folder = OutputFolder(tmp_path / "new" / "folder", "txt")
        path = folder.write(TRANSCRIPT)
        assert path == tmp_path / "new" / "folder" / "talk.txt"
        assert path.read_text(encoding="utf-8") == "a né\n"
        assert OutputFolder(tmp_path, "json").write(TRANSCRIPT).name == "talk.json"

    def test_none_replaces_another_of_the_same_run(self, tmp_path: Path) -> None:
        folder = OutputFolder(tmp_path, "txt")
        names = [folder.write(Transcript(name, text=text)).name for name, text in zip(
            ["a", "a", "A", "a-2", "b", "a"], "uvwxyz", strict=True
        )]  # fmt: skip
        assert len({name.casefold() for name in names}) == 6
        assert names[:3] == ["a.txt", "a-2.txt", "A-3.txt"]
        assert [(tmp_path / name).read_text() for name in names] == [f"{letter}\n" for letter in "uvwxyz"]

    def test_a_second_run_replaces_the_files_of_the_first(self, tmp_path: Path) -> None:
        for text in ("old", "new"):
            OutputFolder(tmp_path, "txt").write(Transcript("a", text=text))
        assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
        assert (tmp_path / "a.txt").read_text() == "new\n"

    def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = OutputFolder(tmp_path, "txt")
        (tmp_path / "a.txt").write_text("old\n")

        def fail(self: Path, *_: object, **__: object) -> None:
            self.touch()
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_text", fail)
        with pytest.raises(CtcAsrError, match=r"a\.txt: cannot be written \(No space left on device\)"):
            folder.write(Transcript("a", text="new"))
        assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
        assert (tmp_path / "a.txt").read_text() == "old\n"

    def test_a_name_that_is_too_long(self, tmp_path: Path) -> None:
        with pytest.raises(CtcAsrError, match="File name too long"):
            OutputFolder(tmp_path, "txt").write(Transcript("x" * 300))
        assert list(tmp_path.iterdir()) == []
        assert OutputFolder(tmp_path, "txt").write(Transcript("x" * 251)).is_file()

    def test_an_id_cannot_leave_the_folder(self, tmp_path: Path) -> None:
        folder = OutputFolder(tmp_path / "out", "txt")
        names = [
            folder.write(Transcript(name)).name for name in ("../up", "deep/er", "/root", "..", "deep_er")
        ]
        assert names == [".._up.txt", "deep_er.txt", "_root.txt", "...txt", "deep_er-2.txt"]
        assert [path.name for path in tmp_path.iterdir()] == ["out"]

    def test_a_name_that_is_no_unicode(self, tmp_path: Path) -> None:
        name = b"caf\xe9".decode("utf-8", "surrogateescape")
        path = OutputFolder(tmp_path, "json").write(Transcript(name, audio_path=f"{name}.wav"))
        assert json.loads(path.read_text(encoding="utf-8"))["audio_filepath"] == f"{name}.wav"

    def test_a_file_in_the_way(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        for folder in (tmp_path / "file", tmp_path / "file" / "below"):
            with pytest.raises(ConfigError, match=r"file.*cannot be made a folder"):
                OutputFolder(folder, "txt")
