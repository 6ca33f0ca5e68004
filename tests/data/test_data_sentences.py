"""Manifests of sentences."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ctcasr.data.exchange.slots import read_slot_folder
from ctcasr.data.sentences import Sentence, read_sentences, write_sentences
from ctcasr.errors import DataError


def test_sentences_are_written_and_read(tmp_path: Path) -> None:
    sentences = [
        Sentence("a", ("fly", "home"), ("O", "B-place"), "flight", "x.jsonl:1"),
        Sentence("b", ("é", "x"), None, None, "x.jsonl:2"),
    ]
    write_sentences(tmp_path / "new" / "x.jsonl", sentences)
    assert read_sentences(tmp_path / "new" / "x.jsonl") == sentences


def test_an_id_is_the_number_of_its_line(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"text": "a"}\n\n{"text": "b  c", "tags": "O O"}\n')
    first, second = read_sentences(tmp_path / "x.jsonl")
    assert (first.id, second.id, str(second)) == ("1", "3", "3 (x.jsonl:3)")
    assert second.words == ("b", "c")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nothing", "not a JSON object"),
        ("[]", "found a JSON list"),
        ("{}", "has no `text`"),
        ('{"text": 3}', "`text` is 3; expected a text"),
        ('{"text": " "}', "`text` has no words"),
        ('{"text": "a b", "tags": "O"}', "1 tags for 2 words"),
        ('{"text": "a", "tags": ["O"]}', "expected a text"),
        ('{"text": "a", "label": 1}', "`label` is 1"),
        ('{"text": "a", "id": "1"}\n{"text": "b", "id": "1"}', "stands already"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "x.jsonl").write_text(line)
    with pytest.raises(DataError, match=rf"x\.jsonl:\d: .*{message}"):
        read_sentences(tmp_path / "x.jsonl")


def slot_folder(folder: Path, **files: str) -> Path:
    texts = {
        "seq.in": "fly to rome\nhello\n",
        "seq.out": "O O B-city\nO\n",
        "label": "flight\ngreeting\n",
    } | files
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder


def test_a_slot_folder_is_read(tmp_path: Path) -> None:
    first, second = read_slot_folder(slot_folder(tmp_path))
    assert (first.words, first.tags, first.label) == (("fly", "to", "rome"), ("O", "O", "B-city"), "flight")
    assert json.dumps(second.words) == '["hello"]'


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"label": "flight\n"}, "have 2, 2, 1 lines"),
        ({"seq.out": "O O\nO\n"}, "line 1: 3 words, 2 tags"),
        ({"label": "flight now\nx\n"}, "line 1: 3 words, 3 tags, 2 intents"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_slot_folder(slot_folder(tmp_path, **files))
