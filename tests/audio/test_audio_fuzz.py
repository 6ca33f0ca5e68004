from __future__ import annotations

import numpy as np
import pytest

from ctcasr import audio
from ctcasr.errors import AudioError

FILES_OF_EACH = 40


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """Change, cut out, double or append bytes; half of the changes fall into the header."""
    changed = bytearray(content)
    kind = rng.integers(0, 6)
    for _ in range(rng.integers(1, 8)):
        place = int(rng.integers(0, min(len(changed), 100) if rng.random() < 0.5 else len(changed)))
        length = int(rng.integers(1, 20))
        if kind < 3:
            changed[place] = rng.integers(0, 256)
        elif kind == 3:
            changed[place : place + length] = rng.bytes(length)
        elif kind == 4 and len(changed) > 200:
            del changed[place : place + length]
        else:
            changed[place:place] = changed[place : place + length]
    return bytes(changed)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.wav", "f.wav", "a.flac", "a.ogg", "a.opus", "a.mp3", "a.aiff", "a.sph"])
def test_damaged_files_give_sound_or_one_audio_error(tone, write, name):
    subtype = {"subtype": "FLOAT"} if name == "f.wav" else {}
    path = write(name, tone(16000, 0.3), **subtype)
    content = path.read_bytes()
    rng = np.random.default_rng(sum(name.encode()))
    refusals = []
    for _ in range(FILES_OF_EACH):
        path.write_bytes(mutate(content, rng))
        try:
            wave = audio.load(path, 16000)
            seconds = audio.probe(path).duration_seconds
        except AudioError as error:
            refusals.append(str(error))
        else:
            assert wave.dtype == np.float32
            assert wave.ndim == 1
            assert np.isfinite(wave).all()
            assert len(wave) == pytest.approx(seconds * 16000, abs=1)
    assert refusals, "the mutations reach the checks"
    assert all(message.startswith(f"{path}: ") for message in refusals)


def test_a_flac_stream_of_unknown_length_whose_first_frame_is_damaged(tone, write):
    path = write("a.flac", tone(16000, 0.3))
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)  # the number of samples in STREAMINFO: unknown
    first = content.index(b"\xff\xf8", 42)
    del content[first + 2 :]
    path.write_bytes(content)
    before = np.geterr()
    with pytest.raises(AudioError, match=r"^.*a\.flac: "):
        audio.load(path, 16000)
    assert np.geterr() == before


def test_reading_leaves_numpy_s_error_handling_alone(tone, write):
    before = np.geterr()
    for _ in audio.stream(write("a.wav", tone(16000, 0.3)), 16000):
        assert np.geterr() == before
