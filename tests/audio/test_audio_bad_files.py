from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from ctcasr import audio
from ctcasr.audio import RawFormat
from ctcasr.errors import AudioError

S16 = RawFormat(16000, "s16", "little")


def refusal(path: Path, **options: object) -> str:
    """Return the message of the AudioError, having checked what all of them share."""
    with pytest.raises(AudioError) as caught:
        audio.load(path, 16000, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    said = message.removeprefix(f"{path}: ")
    assert "\n" not in said
    assert ". " not in said, "one sentence"
    assert not said.endswith(".")
    assert ";" in said, "what to do follows a semicolon"
    return said


def refusal_of_both(path: Path) -> str:
    """Return load's message for a file that probe refuses with the same words."""
    said = refusal(path)
    with pytest.raises(AudioError) as caught:
        audio.probe(path)
    assert str(caught.value) == f"{path}: {said}"
    return said


def test_missing_file(tmp_path):
    assert "cannot be opened (No such file or directory)" in refusal_of_both(tmp_path / "nope.wav")


def test_directory(tmp_path):
    assert "is a directory, expected an audio file" in refusal_of_both(tmp_path)


def test_impossible_name():
    with pytest.raises(AudioError, match="null byte"):
        audio.load("a\0b.wav", 16000)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_named_pipe_does_not_wait_for_ever(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    assert "no regular file" in refusal_of_both(tmp_path / "pipe.wav")


def test_no_permission(tone, write, monkeypatch):
    path = write("a.wav", tone())

    # The tests may run as root, whom no file mode keeps out.
    def refuse(*_arguments: object, **_options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert "(Permission denied), expected a readable audio file; check the path" in refusal_of_both(path)


def test_zero_bytes(tmp_path):
    (tmp_path / "a.flac").touch()
    assert "is empty (zero bytes)" in refusal_of_both(tmp_path / "a.flac")


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.sph"])
def test_zero_samples(write, name):
    assert "holds no samples" in refusal_of_both(write(name, np.zeros(0, np.float32)))


def test_zero_samples_before_a_last_chunk(write):
    path = write("a.wav", np.zeros(0, np.float32))
    path.write_bytes(path.read_bytes() + b"LIST" + struct.pack("<I", 10) + b"INFOnotes.")
    assert "holds no samples" in refusal_of_both(path)


@pytest.mark.parametrize("suffix", sorted(audio.AUDIO_SUFFIXES - {".raw", ".pcm"}))
@pytest.mark.parametrize("content", [b"hello world\n" * 100, bytes(range(1, 256)) * 20, bytes(5000)])
def test_not_audio(tmp_path, suffix, content):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    assert "holds no audio" in refusal_of_both(path)


@pytest.mark.parametrize("container", ["AU", "CAF", "W64", "VOC"])
def test_containers_that_cannot_be_checked_are_refused(tone, write, container):
    path = write("a.wav", tone(), format=container, subtype="PCM_16")
    assert f"holds PCM_16 in {container}, expected wav, flac" in refusal_of_both(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_values_that_are_not_finite(tone, write, bad, subtype):
    stereo = np.stack([tone(), tone()], axis=1).astype(np.float64)
    stereo[[4000, 9000, 9001], 1] = bad
    path = write("a.wav", stereo, subtype=subtype)
    assert "3 of 16,000 samples are NaN or infinite, the first at 0.250 s" in refusal(path)
    assert "1,000 samples are NaN or infinite, the first at 0.250 s" in refusal(
        path, offset_seconds=0.25, duration_seconds=1 / 16
    )
    assert len(audio.load(path, 16000, duration_seconds=0.25)) == 4000


def test_opposite_infinities_do_not_cancel(write):
    path = write("a.wav", np.array([[0, 0], [np.inf, -np.inf]]), subtype="FLOAT")
    assert "1 of 2 samples are NaN or infinite" in refusal(path)


def test_unscaled_integers_stored_as_floats(write):
    path = write("a.wav", np.array([0, 5, -32768, 12000], np.float32), subtype="FLOAT")
    said = refusal(path)
    assert "2 of 4 samples lie beyond ±10,000 (up to 32,768), the first at 0.000 s" in said
    assert "divide them by the full scale" in said


def test_raw_without_a_format(tmp_path):
    for name in ("a.raw", "a.pcm", "A.RAW"):
        (tmp_path / name).write_bytes(bytes(100))
        said = refusal_of_both(tmp_path / name)
        assert "sample rate, sample width and byte order" in said
        assert "raw=RawFormat(" in said


def test_raw_with_half_a_frame(tmp_path):
    path = tmp_path / "a.raw"
    path.write_bytes(bytes(101))
    assert "101 bytes, expected whole frames of 2 bytes (s16, channels=1)" in refusal(path, raw=S16)


def test_raw_format_for_a_file_with_a_header(tone, write):
    said = refusal(write("a.wav", tone()), raw=S16)
    assert "begins with RIFF, so it has a header" in said


def test_raw_floats_are_checked_too(tmp_path):
    path = tmp_path / "a.raw"
    path.write_bytes(np.array([0, np.nan], "<f4").tobytes())
    assert "1 of 2 samples are NaN" in refusal(path, raw=RawFormat(16000, "f32", "little"))


@pytest.mark.parametrize("sample_rate", [100, 3999, 192001, 400_000])
def test_rate_of_the_file_out_of_range(tone, write, sample_rate):
    path = write("a.wav", tone())
    content = bytearray(path.read_bytes())
    content[24:28] = struct.pack("<I", sample_rate)
    path.write_bytes(content)
    assert f"gives a sample rate of {sample_rate} Hz, expected 4000 to 192000" in refusal_of_both(path)


def test_too_short_to_resample(write):
    path = write("a.wav", np.zeros(1, np.float32), 192000)
    with pytest.raises(AudioError, match="1 samples at 192000 Hz are less than one at 4000 Hz"):
        audio.load(path, 4000)


@pytest.mark.parametrize(
    ("segment", "found"),
    [
        ({"offset_seconds": -0.1}, "the offset is -0.1 s, expected zero or more"),
        ({"offset_seconds": float("nan")}, "the offset is nan s"),
        ({"offset_seconds": float("inf")}, "the offset is inf s"),
        ({"duration_seconds": 0.0}, "the duration is 0.0 s, expected more than zero"),
        ({"duration_seconds": float("nan")}, "the duration is nan s"),
        ({"offset_seconds": 1.0}, "starts at 1.0 s but the file ends at 1.000 s"),
        ({"offset_seconds": 1e300}, "starts at 1e+300 s but the file ends at 1.000 s"),
        ({"duration_seconds": 1.06}, "ends at 1.060 s but the file ends at 1.000 s, so it is truncated"),
        (
            {"offset_seconds": 0.5, "duration_seconds": 1e9},
            "but the file ends at 1.000 s, so it is truncated",
        ),
    ],
)
@pytest.mark.parametrize("name", ["a.wav", "a.flac", "streamed.flac"])
def test_segments_that_the_file_does_not_hold(tone, write, segment, found, name):
    path = write(name, tone())
    if name == "streamed.flac":
        forget_flac_length(path)
    assert found in refusal(path, **segment)


def test_segment_a_little_too_long_is_cut_at_the_end(tone, write):
    path = write("a.wav", tone())
    assert len(audio.load(path, 16000, offset_seconds=0.5, duration_seconds=0.54)) == 8000


def test_flac_of_unknown_length_is_read_whole(tone, write):
    path = write("a.flac", tone(16000, 3.0))
    whole = audio.load(path, 16000)
    forget_flac_length(path)
    np.testing.assert_array_equal(audio.load(path, 16000), whole)
    part = audio.load(path, 16000, offset_seconds=1.0, duration_seconds=0.5)
    np.testing.assert_array_equal(part, whole[16000:24000])
    assert audio.probe(path).duration_seconds == 3.0


def test_flac_that_promises_days(tone, write):
    path = write("a.flac", tone())
    set_flac_length(path, (1 << 36) - 1)
    assert "promises 1,193.0 hours of sound, expected at most 24" in refusal_of_both(path)


def test_flac_that_promises_more_than_it_holds(tone, write):
    path = write("a.flac", tone())
    set_flac_length(path, 16000 * 3600)
    assert "truncated or damaged, it promises 57,600,000 frames and 16,000 can be read" in refusal(path)


def forget_flac_length(path: Path) -> None:
    set_flac_length(path, 0)


def set_flac_length(path: Path, frames: int) -> None:
    """Overwrite the 36 bits of STREAMINFO that hold the number of frames."""
    content = bytearray(path.read_bytes())
    word = int.from_bytes(content[18:26], "big")
    content[18:26] = (word >> 36 << 36 | frames).to_bytes(8, "big")
    path.write_bytes(content)


def test_damage_in_the_middle_of_flac(tone, write):
    path = write("a.flac", tone(16000, 3.0))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 50] = bytes(50)
    path.write_bytes(content)
    assert "damaged or truncated, decoding it stopped" in refusal(path)


def test_soundfile_of_the_tests_reads_what_the_loader_refuses(tone, write):
    """The oracle of the truncation checks: without them a cut WAV is simply shorter."""
    path = write("a.wav", tone())
    path.write_bytes(path.read_bytes()[:-1000])
    assert sf.info(path).frames == 15500
