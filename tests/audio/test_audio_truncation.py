from __future__ import annotations

import itertools
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from ctcasr import audio
from ctcasr.audio import mpeg
from ctcasr.errors import AudioError

NAMES = ["a.wav", "a.flac", "a.ogg", "a.opus", "a.mp3", "a.aiff", "a.sph", "a.rf64"]


@pytest.fixture
def sound(tone, write):
    """Write three seconds of sound under a name."""

    def save(name: str, **options: object) -> Path:
        kind = {"format": "RF64", "subtype": "PCM_16"} if name == "a.rf64" else {}
        return write(name, tone(16000, 3.0), **(kind | options))

    return save


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.5, 0.9, 0.99])
def test_a_file_cut_anywhere_is_refused(sound, name, kept):
    path = sound(name)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(AudioError, match=path.name):
        audio.load(path, 16000)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_without_its_last_byte_is_refused(sound, name):
    path = sound(name)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(AudioError, match=path.name):
        audio.load(path, 16000)


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.rf64", "a.sph", "a.ogg", "a.mp3"])
def test_probe_and_segments_notice_the_cut_too(sound, name):
    path = sound(name)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(AudioError, match="truncated"):
        audio.probe(path)
    with pytest.raises(AudioError, match="truncated"):
        audio.load(path, 16000, duration_seconds=0.5)


def test_message_of_a_cut_wav_says_how_much_is_there(sound):
    path = sound("a.wav")
    path.write_bytes(path.read_bytes()[:50_044])
    with pytest.raises(AudioError, match=r"promises 96,000 bytes of samples and 50,000 are there; copy"):
        audio.load(path, 16000)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0xFFFFFFDB, 0x7FFFF000, 0x7FFFFFFF, 0x80000000])
@pytest.mark.parametrize("riff_size", [0, 0xFFFFFFFF])
def test_streamed_wav_is_read_whole(sound, size, riff_size):
    path = sound("a.wav")
    whole = audio.load(path, 16000)
    content = bytearray(path.read_bytes())
    assert content[36:40] == b"data"
    content[4:8], content[40:44] = struct.pack("<I", riff_size), struct.pack("<I", size)
    path.write_bytes(content)
    np.testing.assert_array_equal(audio.load(path, 16000), whole)
    part = audio.load(path, 16000, offset_seconds=1.0, duration_seconds=0.5)
    np.testing.assert_array_equal(part, whole[16000:24000])
    assert audio.probe(path).duration_seconds == 3.0


def test_chunks_before_and_after_the_samples_do_not_matter(sound):
    path = sound("a.wav")
    whole = audio.load(path, 16000)
    content = path.read_bytes()
    odd_chunk = b"junk" + struct.pack("<I", 3) + b"abc\0"
    path.write_bytes(content[:36] + odd_chunk + content[36:] + odd_chunk)
    np.testing.assert_array_equal(audio.load(path, 16000), whole)


@pytest.mark.parametrize("endian", ["LITTLE", "BIG"])
@pytest.mark.parametrize("container", ["WAV", "AIFF"])
def test_both_byte_orders(tone, write, endian, container):
    path = write("a.wav", tone(), format=container, subtype="PCM_16", endian=endian)
    np.testing.assert_allclose(audio.load(path, 16000), tone(), atol=2**-15)
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(AudioError, match="truncated"):
        audio.load(path, 16000)


def test_ogg_cut_between_two_pages_is_refused(sound):
    path = sound("a.ogg")
    content = path.read_bytes()
    path.write_bytes(content[: content.rfind(b"OggS")])
    with pytest.raises(AudioError, match="not marked as the end of the stream"):
        audio.load(path, 16000)


@pytest.mark.parametrize("name", ["a.ogg", "a.opus"])
def test_damaged_ogg_page_is_not_skipped_silently(tone, write, name):
    path = write(name, tone(16000, 20.0))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"damaged in its Ogg page at byte [\d,]+; copy"):
        audio.load(path, 16000)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.ogg", "a.opus"])
def test_every_missing_ogg_page_is_noticed(tone, write, name):
    path = write(name, tone(16000, 20.0))
    content = path.read_bytes()
    starts = [match.start() for match in re.finditer(rb"OggS\0", content)]
    assert len(starts) > 4
    for start, end in itertools.pairwise([*starts, len(content)]):
        path.write_bytes(content[:start] + content[end:])
        with pytest.raises(AudioError):
            audio.load(path, 16000)


def test_ogg_with_bytes_behind_its_end_is_read(sound):
    path = sound("a.ogg")
    whole = audio.load(path, 16000)
    path.write_bytes(path.read_bytes() + b"TAG" + bytes(125))
    np.testing.assert_array_equal(audio.load(path, 16000), whole)


def test_joined_ogg_files_are_refused(sound):
    path = sound("a.ogg")
    content = path.read_bytes()
    path.write_bytes(content + content)
    with pytest.raises(AudioError, match="several Ogg streams, expected one; convert it"):
        audio.load(path, 16000)


@pytest.mark.parametrize("name", ["a.wav", "a.aiff"])
def test_a_header_that_promises_too_little_is_refused(sound, name):
    path = sound(name)
    content = bytearray(path.read_bytes())
    marker = b"data" if name == "a.wav" else b"SSND"
    at = content.index(marker) + 4
    content[at : at + 4] = struct.pack("<I" if name == "a.wav" else ">I", 50_000)
    content[at + 4 + 50_000 : at + 8 + 50_000] = b"\1\2\3\4"
    path.write_bytes(content)
    with pytest.raises(AudioError, match="header promises 50,000 bytes of samples and 96,0"):
        audio.load(path, 16000)


def test_zeros_behind_the_samples_do_not_matter(sound):
    path = sound("a.wav")
    whole = audio.load(path, 16000)
    path.write_bytes(path.read_bytes() + bytes(512))
    np.testing.assert_array_equal(audio.load(path, 16000), whole)


@pytest.fixture(scope="module")
def uneven():
    """Two seconds of near silence before six of noise: variable-rate MP3 that no guess gets right."""
    rng = np.random.default_rng(0)
    wave = rng.standard_normal(8 * 16000) * 0.1
    wave[: 2 * 16000] *= 1e-4
    return wave.astype(np.float32)


def without_index(path: Path) -> bytes:
    """Return an MP3 file's bytes without its first frame, which holds the Xing or Info header."""
    content = path.read_bytes()
    assert b"Xing" in content[:64] or b"Info" in content[:64]
    return content[content.index(content[:2], 64) :]


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("sample_rate", [8000, 16000, 44100])
@pytest.mark.parametrize("channels", [1, 2])
def test_mp3_without_an_index_is_read_whole(uneven, write, mode, sample_rate, channels):
    wave = uneven[: 2 * sample_rate]
    path = write("a.mp3", np.stack([wave] * channels, 1), sample_rate, bitrate_mode=mode)
    indexed = audio.load(path, sample_rate)
    path.write_bytes(without_index(path))
    bare = audio.load(path, sample_rate)
    # The index also says how much of the decoder's delay to cut off.
    assert 0 <= len(bare) - len(indexed) < 3 * 1152
    delay = int(np.argmax(np.correlate(bare[:12000], indexed[4000:8000], "valid"))) - 4000
    np.testing.assert_allclose(bare[4000 + delay : 9000 + delay], indexed[4000:9000], atol=1e-4)
    part = audio.load(path, sample_rate, offset_seconds=0.25, duration_seconds=0.25)
    np.testing.assert_allclose(part, bare[sample_rate // 4 : sample_rate // 2], atol=1e-3)


def test_libsndfile_alone_loses_sound_of_an_mp3_without_an_index(uneven, write):
    path = write("a.mp3", uneven[::-1].copy(), bitrate_mode="VARIABLE")
    path.write_bytes(without_index(path))
    assert sf.info(path).frames < 0.95 * len(uneven) <= len(audio.load(path, 16000))


def test_joined_mp3_files_are_refused(sound):
    path = sound("a.mp3")
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(AudioError, match=r"header promises .* frames and .* are there; convert it afresh"):
        audio.load(path, 16000)


@pytest.mark.parametrize("bare", [False, True])
def test_mp3_tags_do_not_matter(sound, bare):
    path = sound("a.mp3")
    if bare:
        path.write_bytes(without_index(path))
    whole = audio.load(path, 16000)
    id3v2 = b"ID3\4\0\0" + bytes([0, 0, 2, 0]) + bytes(256)
    footer = b"APETAGEX" + struct.pack("<4I", 2000, 32, 0, 0) + bytes(8)
    header = b"APETAGEX" + struct.pack("<4I", 2000, 32, 0, 0xA0000000) + bytes(8)
    path.write_bytes(id3v2 + path.read_bytes() + header + footer + b"TAG" + bytes(125))
    np.testing.assert_allclose(audio.load(path, 16000), whole, atol=1e-6)


def test_mp3_without_an_index_and_with_a_damaged_frame(sound):
    path = sound("a.mp3")
    content = bytearray(without_index(path))
    middle = content.index(content[:2], len(content) // 2)
    content[middle : middle + 4] = b"\1\2\3\4"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"should begin an MPEG frame and does not"):
        audio.load(path, 16000)


def test_mp3_frames_are_counted_by_hand(sound):
    path = sound("a.mp3")
    bare = without_index(path)
    path.write_bytes(bare)
    patch = mpeg.check_mp3(path)
    assert patch is not None
    assert bare[patch.skip :] == bare
    replacement = patch.head
    at = replacement.index(b"Xing")
    # 16 kHz is MPEG 2 with 576 samples a frame; the encoder adds a delay of up to three frames.
    assert 0 <= int.from_bytes(replacement[at + 8 : at + 12], "big") - 48000 / 576 < 4
