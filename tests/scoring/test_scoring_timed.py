"""ctm and stm: words and segments with times."""

import pytest

from ctcasr.errors import DataError
from ctcasr.scoring import read_pair, read_speakers, read_texts, score


@pytest.fixture
def write(tmp_path):
    def write_file(name, content):
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        return path

    return write_file


STM = """;; LABEL "O" "Overall" "all"
talk 1 ann 0.00 2.00 <o,f0,female> hello world
talk 1 bob 2.00 4.00 good bye

talk 1 nobody 4.0 5.0 ignore_time_segment_in_scoring
call A cat 0 1.5 <o> yes
call B dog 0 1.5 no
"""


def test_ctm_is_read_in_the_order_of_time(write):
    path = write("x.ctm", ";; comment\nb 1 0.5 0.1 two 0.99\nb 1 0.1 0.2 one\na A 0 1 x 0.5 lex\n")
    assert read_texts(path) == {"b": "one two", "a": "x"}


def test_stm_is_read_by_recording(write):
    path = write("x.stm", "a 1 s 2 3 later\na 1 t 0 1 <o> first words\nb 1 s 0 1\n")
    assert read_texts(path) == {"a": "first words later", "b": ""}
    assert read_speakers(path)["b"] == "s"
    assert "a" not in read_speakers(path)
    assert read_speakers(path)["a-1-0000000-0001000"] == "t"


def test_words_go_to_the_segment_of_their_middle(write):
    words = (
        "talk 1 0.1 0.4 hello\ntalk 1 1.8 0.6 good\ntalk 1 2.5 0.4 bye\ntalk 1 4.4 0.3 noise\n"
        "talk 1 9.0 0.5 late\ncall A 0.2 0.2 yes\ncall B 0.2 0.2 no\n"
    )
    references, hypotheses = read_pair(write("r.stm", STM), write("h.ctm", words))
    assert references == {
        "talk-1-0000000-0002000": "hello world",
        "talk-1-0002000-0004000": "good bye",
        "call-A-0000000-0001500": "yes",
        "call-B-0000000-0001500": "no",
    }
    # "good" (1.8 to 2.4) lies mostly in the second segment; "noise" and "late" are nearest to the ignored one.
    assert hypotheses == {
        "talk-1-0000000-0002000": "hello",
        "talk-1-0002000-0004000": "good bye",
        "call-A-0000000-0001500": "yes",
        "call-B-0000000-0001500": "no",
    }


def test_a_word_between_segments_is_inserted_in_the_nearest(write):
    stm = write("r.stm", "t 1 s 0 1 a\nt 1 s 5 6 b\n")
    ctm = write("h.ctm", "t 1 0.2 0.2 a\nt 1 4.0 0.2 um\nt 1 5.2 0.2 b\n")
    result = score(*read_pair(stm, ctm), "word")
    assert (result.counts.insertions, result.counts.hits) == (1, 2)
    assert result.utterances[1].hypothesis == "um b"


def test_recordings_without_words_and_unknown_ones_are_refused(write):
    stm = write("r.stm", "t 1 s 0 1 a\nu 1 s 0 1 b\n")
    with pytest.raises(DataError, match=r"1 of 2 reference ids lack a hypothesis \('u-1-"):
        score(*read_pair(stm, write("h.ctm", "t 1 0.2 0.2 a\n")), "word")
    with pytest.raises(DataError, match=r"lack a reference \('v-1'\)"):
        score(*read_pair(stm, write("h.ctm", "t 1 0.2 0.2 a\nu 1 0 1 b\nv 1 0 1 c\n")), "word")


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("x.ctm", "a 1 0.5 0.1\n", ":1: 4 fields"),
        ("x.ctm", "\na 1 0.5 -1 x\n", ":2: '-1' is no time"),
        ("x.ctm", "a 1 nan 0.1 x\n", ":1: 'nan' is no time"),
        ("x.ctm", "a 1 inf 0.1 x\n", ":1: 'inf' is no time"),
        ("x.ctm", "a 1 * * <ALT_BEGIN>\n", ":1: <ALT_BEGIN> begins an alternation"),
        ("x.ctm", "a 1 0 1 x\na 2 0 1 y\n", "a has the channels 1 and 2"),
        ("x.stm", "a 1 s 0.5\n", ":1: 4 fields"),
        ("x.stm", "a 1 s 2 2 x\n", ":1: ends at 2 and starts at 2"),
        ("x.stm", "a 1 s x 2 x\n", ":1: 'x' is no time"),
        ("x.stm", "a 1 s 0 2 x\na 1 t 0 2 y\n", ":2: the same segment stands in"),
        ("x.stm", "a 1 s 0 2 IGNORE_TIME_SEGMENT_IN_SCORING\n", "is marked IGNORE_TIME"),
    ],
)
def test_a_wrong_line_is_an_error(write, name, content, found):
    with pytest.raises(DataError) as caught:
        read_texts(write(name, content))
    assert found in str(caught.value)
    assert "; " in str(caught.value)


def test_speakers(write):
    assert read_speakers(write("utt2spk", "u1 ann\nu2\tbob\n")) == {"u1": "ann", "u2": "bob"}
    lines = '{"id": "u1", "text": "", "speaker": "ann"}\n{"id": "u2", "text": ""}\n'
    assert read_speakers(write("m.jsonl", lines)) == {"u1": "ann"}
    for wrong in ("u1\n", "u1 ann bob\n"):
        with pytest.raises(DataError, match="expected `id speaker`"):
            read_speakers(write("utt2spk", wrong))
