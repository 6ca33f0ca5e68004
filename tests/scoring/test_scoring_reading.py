"""Readers of transcripts: the three formats, and every way a file can be wrong."""

import pytest

from ctcasr.errors import DataError
from ctcasr.scoring import read_texts


@pytest.fixture
def write(tmp_path):
    def write_file(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


def error_of(path):
    with pytest.raises(DataError) as caught:
        read_texts(path)
    return str(caught.value)


@pytest.mark.parametrize("name", ["text", "ref.txt", "ref.hyp", "trn"])
def test_kaldi_text_is_the_default(write, name):
    path = write(name, "u1 hello world\nu2\tone  two \n\nu3\nu4 \n \t\nu5 (u6)")
    assert read_texts(path) == {"u1": "hello world", "u2": "one  two", "u3": "", "u4": "", "u5": "(u6)"}
    assert read_texts(str(path)) == read_texts(path)


@pytest.mark.parametrize("name", ["ref.trn", "REF.TRN"])
def test_trn(write, name):
    path = write(
        name, "hello world (u1)\n(u2)\n  (u3)\t\n\nlaughs (out loud) (spk-1_a)\none\t(u5)\nf(x) (u6)\n"
    )
    assert read_texts(path) == {
        "u1": "hello world",
        "u2": "",
        "u3": "",
        "spk-1_a": "laughs (out loud)",
        "u5": "one",
        "u6": "f(x)",
    }


def test_jsonl(write):
    path = write(
        "manifest.jsonl",
        '{"id": "u1", "text": " hello world ", "duration": 1.5, "audio_filepath": "a/other.wav"}\n'
        '\n  {"audio_filepath": "a/b/u2.first.flac", "text": ""}  \n'
        '{"id": null, "audio_filepath": "u3.wav", "text": "caf\\u00e9"}\n',
    )
    assert read_texts(path) == {"u1": "hello world", "u2.first": "", "u3": "café"}


def test_the_order_of_the_file_is_kept(write):
    assert list(read_texts(write("text", "b x\na y\nc z\n"))) == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("name", "content"),
    [("text", "u1 a\r\n\r\nu2\r\n"), ("x.trn", "a (u1)\r\n\r\n(u2)\r\n"), ("x.txt", "u1 a\nu2 \r\n")],
)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_byte_order_mark_and_crlf(write, name, content, mark):
    assert read_texts(write(name, mark + content.encode())) == {"u1": "a", "u2": ""}


def test_byte_order_mark_and_crlf_in_json_lines(write):
    content = b'\xef\xbb\xbf{"id": "u1", "text": "a"}\r\n\r\n{"id": "u2", "text": ""}\r\n'
    assert read_texts(write("x.jsonl", content)) == {"u1": "a", "u2": ""}


@pytest.mark.parametrize("content", ["", "\n", " \r\n\t\n", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", ["text", "x.trn", "x.jsonl"])
def test_an_empty_file_has_no_texts(write, name, content):
    assert read_texts(write(name, content)) == {}


@pytest.mark.parametrize(
    "utterance_id",
    ["é", "e\u0301", "日本-1", "a\u00a0b", "x|y#z", "{1}", "a\\b", "../a/b.wav", "\u2028", "\x85"],
)
def test_ids_with_odd_characters(write, utterance_id):
    assert read_texts(write("text", f"{utterance_id} a b\n")) == {utterance_id: "a b"}
    assert read_texts(write("x.trn", f"a b ({utterance_id})\n")) == {utterance_id: "a b"}


def test_kaldi_ids_may_have_parentheses(write):
    assert read_texts(write("text", "(u1) a\n")) == {"(u1)": "a"}


def test_json_ids_may_have_blanks(write):
    assert read_texts(write("x.jsonl", '{"id": "a b", "text": "c"}')) == {"a b": "c"}


def test_only_line_ends_end_a_line(write):
    separators = "one\u2028two\x0bthree\x0cfour\x85five\x1csix"
    assert read_texts(write("text", f"u1 {separators}\nu2 x\n")) == {"u1": separators, "u2": "x"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text", "u1 a\nu2 b\n\nu1 c\n"),
        ("x.trn", "a (u1)\nb (u2)\n\nc (u1)\n"),
        (
            "x.jsonl",
            '{"id": "u1", "text": "a"}\n{"id": "u2", "text": "b"}\n\n'
            '{"audio_filepath": "x/u1.wav", "text": "c"}\n',
        ),
    ],
)
def test_a_duplicate_id_is_an_error(write, name, content):
    path = write(name, content)
    assert error_of(path) == (
        f"{path}:4: the id 'u1' is already on line 1, expected every id once; rename or drop one of the two"
    )


@pytest.mark.parametrize("name", ["text", "x.trn", "x.jsonl"])
def test_invalid_utf8_is_an_error(write, name):
    path = write(name, b"\n\xff\n")
    assert error_of(path) == (
        f"{path}:2: byte 1 of the line is 0xff, expected UTF-8; convert the file to UTF-8"
    )


def test_invalid_utf8_names_the_byte(write):
    path = write("text", "u1 caf\u00e9\nu2 caf\u00e9\n".encode("latin-1"))
    assert f"{path}:1: byte 7 of the line is 0xe9" in error_of(path)


def test_a_kaldi_line_without_id_is_an_error(write):
    path = write("text", "u1 a\n hello world\n")
    assert error_of(path) == (
        f"{path}:2: the line begins with white space, so it has no id, "
        "expected `id words...`; put the id first"
    )


@pytest.mark.parametrize(
    "line",
    [
        "hello",
        "hello ()",
        "hello (a b)",
        "hello (u1) x",
        "hello(u1)",
        "hello (u(1))",
        "hello (u1",
        "u1)",
        "( u1 )",
    ],
)
def test_a_trn_line_without_id_is_an_error(write, line):
    path = write("x.trn", f"\n{line}\n")
    message = error_of(path)
    assert message.startswith(f"{path}:2: the line ends in {line!r}, expected `words... (id)`")
    assert message.endswith("put the id last")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('{"id": "u1"', "not JSON (Expecting ',' delimiter"),
        ("u1 hello", "not JSON (Expecting value"),
        ('["u1", "a"]', "found a list, expected an object"),
        ('"u1"', "found a string, expected an object"),
        ("null", "found null, expected an object"),
        ('{"text": "a"}', "neither `id` nor `audio_filepath`"),
        ('{"id": null, "text": "a"}', "neither `id` nor `audio_filepath`"),
        ('{"id": 7, "text": "a"}', "`id` is a number, expected a string"),
        ('{"audio_filepath": ["a.wav"], "text": "a"}', "`audio_filepath` is a list, expected a string"),
        ('{"id": " ", "text": "a"}', "`id` is ' ', which gives no id"),
        ('{"audio_filepath": "", "text": "a"}', "`audio_filepath` is '', which gives no id"),
        ('{"id": "u1"}', "`text` of 'u1' is missing, expected a string"),
        ('{"id": "u1", "text": null}', "`text` of 'u1' is null, expected a string"),
        ('{"id": "u1", "text": 1.5}', "`text` of 'u1' is a number, expected a string"),
        ('{"id": "u1", "text": true}', "`text` of 'u1' is a truth value, expected a string"),
        ('{"id": "u1", "text": {}}', "`text` of 'u1' is an object, expected a string"),
    ],
)
def test_a_wrong_json_line_is_an_error(write, line, found):
    path = write("x.jsonl", f'{{"id": "u0", "text": ""}}\n{line}\n')
    message = error_of(path)
    assert message.startswith(f"{path}:2: {found}")
    assert "; " in message  # what to do


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    assert error_of(tmp_path / "absent") == (
        f"{tmp_path / 'absent'}: cannot be read (No such file or directory); check the path"
    )
    assert error_of(tmp_path).startswith(f"{tmp_path}: cannot be read (")
