from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctcasr import audio
from ctcasr.audio import AUDIO_SUFFIXES, RawFormat
from ctcasr.errors import AudioError, ConfigError

# libsndfile's subtype -> largest error of a value within ±0.5 that went through it
QUANTISATION = {
    "PCM_U8": 2**-7,
    "PCM_16": 2**-15,
    "PCM_24": 2**-23,
    "PCM_32": 2**-24,
    "FLOAT": 0.0,
    "DOUBLE": 0.0,
    "ULAW": 0.02,
    "ALAW": 0.02,
}


@pytest.mark.parametrize("subtype", QUANTISATION)
@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("container", ["WAV", "WAVEX"])
def test_wav_round_trips_within_its_quantisation(tone, write, subtype, channels, container):
    wave = tone()
    path = write(
        "a.wav", np.repeat(wave[:, None], channels, axis=1), 16000, subtype=subtype, format=container
    )
    loaded = audio.load(path, 16000)
    assert loaded.dtype == np.float32
    assert loaded.shape == wave.shape
    # Averaging equal channels may round in the last bit.
    np.testing.assert_allclose(loaded, wave, rtol=0, atol=QUANTISATION[subtype] + 1e-7)


@pytest.mark.parametrize("sample_rate", [4000, 8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff", "a.sph"])
def test_lossless_files_of_any_rate_are_exact_at_their_own(tone, write, name, sample_rate):
    wave = tone(sample_rate, 0.1)
    loaded = audio.load(write(name, wave, sample_rate), sample_rate)
    np.testing.assert_allclose(loaded, wave, rtol=0, atol=2**-15)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.opus", "a.mp3", "a.aiff", "a.sph"])
@pytest.mark.parametrize("sample_rate", [8000, 16000, 48000])
def test_every_soundfile_container_keeps_the_sound(tone, write, name, sample_rate):
    wave = tone(sample_rate, 0.5)
    path = write(name, wave, sample_rate)
    loaded = audio.load(path, 16000)
    assert len(loaded) == 8000
    assert _strongest_hertz(loaded, 16000) == pytest.approx(440, abs=2)
    info = audio.probe(path)
    assert (info.sample_rate, info.channels, info.path) == (sample_rate, 1, path)
    assert info.duration_seconds == pytest.approx(0.5)


@pytest.mark.parametrize("file_rate", [8000, 44100, 48000])
def test_resampled_tone_keeps_frequency_and_amplitude(write, file_rate):
    n = file_rate
    wave = (0.5 * np.sin(2 * np.pi * 1000 * np.arange(n) / file_rate)).astype(np.float32)
    loaded = audio.load(write("a.wav", wave, file_rate, subtype="FLOAT"), 16000)
    assert len(loaded) == 16000
    assert _strongest_hertz(loaded, 16000) == pytest.approx(1000, abs=1)
    middle = loaded[2000:-2000]
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)[2000:-2000]
    np.testing.assert_allclose(middle, expected, atol=2e-4)


def test_channels_are_averaged(write):
    left = np.linspace(-0.5, 0.5, 1000, dtype=np.float32)
    path = write("a.wav", np.stack([left, np.zeros(1000)], axis=1), 16000, subtype="FLOAT")
    np.testing.assert_array_equal(audio.load(path, 16000), left / 2)


@pytest.mark.parametrize(("dtype", "subtype"), [(np.int16, "PCM_16"), (np.int32, "PCM_32")])
def test_integers_scale_to_one(write, dtype, subtype):
    limits = np.iinfo(dtype)
    path = write("a.wav", np.array([limits.min, 0, limits.max], dtype), subtype=subtype)
    loaded = audio.load(path, 16000)
    assert loaded[0] == -1
    assert loaded[1] == 0
    assert loaded[2] == pytest.approx(1, abs=2**-15)
    assert loaded[2] <= 1


def test_float_samples_beyond_one_are_kept(write):
    path = write("a.wav", np.array([1.5, -3.0], np.float32), subtype="FLOAT")
    np.testing.assert_array_equal(audio.load(path, 16000), [1.5, -3.0])


def test_files_longer_than_a_block_are_joined_exactly(write):
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, (1 << 19, 4)).astype(np.float32)
    path = write("a.wav", wave, 48000, subtype="FLOAT")
    np.testing.assert_allclose(audio.load(path, 48000), wave.mean(axis=1), atol=1e-7)


@pytest.fixture(scope="module")
def whole_files(tone, tmp_path_factory):
    """One file of each exactly seekable kind, with its whole waveform."""
    folder = tmp_path_factory.mktemp("segments")
    files = {}
    for name in ("a.wav", "a.flac", "a.aiff", "a.ogg", "a.sph"):
        path = folder / name
        sf.write(path, tone(16000, 2.0), 16000, format="NIST" if name == "a.sph" else None)
        files[name] = (path, audio.load(path, 16000))
    return files


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["a.wav", "a.flac", "a.aiff", "a.ogg", "a.sph"]),
    start=st.integers(0, 31_999),
    count=st.none() | st.integers(1, 32_000),
)
def test_a_segment_is_the_slice_of_the_whole(whole_files, name, start, count):
    path, whole = whole_files[name]
    duration = None if count is None else count / 16000
    stop = None if count is None else start + count
    if stop is not None and stop > len(whole) + 800:
        with pytest.raises(AudioError, match=r"segment ends at .* truncated or the segment is wrong"):
            audio.load(path, 16000, offset_seconds=start / 16000, duration_seconds=duration)
        return
    part = audio.load(path, 16000, offset_seconds=start / 16000, duration_seconds=duration)
    np.testing.assert_array_equal(part, whole[start:stop])


@pytest.mark.parametrize("name", ["a.mp3", "a.opus"])
def test_segments_of_lossy_files_are_near_the_slice_of_the_whole(tone, write, name):
    path = write(name, tone(16000, 3.0))
    whole = audio.load(path, 16000)
    part = audio.load(path, 16000, offset_seconds=1.25, duration_seconds=0.5)
    np.testing.assert_allclose(part, whole[20000:28000], atol=0.01)


def test_segment_of_another_rate_has_the_wanted_length(tone, write):
    path = write("a.flac", tone(44100, 2.0), 44100)
    assert len(audio.load(path, 16000, offset_seconds=0.5, duration_seconds=1.0)) == 16000


@pytest.mark.parametrize("byte_order", ["little", "big"])
@pytest.mark.parametrize(
    ("sample_format", "subtype"),
    [
        ("s8", "PCM_S8"),
        ("u8", "PCM_U8"),
        ("s16", "PCM_16"),
        ("s24", "PCM_24"),
        ("s32", "PCM_32"),
        ("f32", "FLOAT"),
        ("f64", "DOUBLE"),
        ("ulaw", "ULAW"),
        ("alaw", "ALAW"),
    ],
)
def test_raw_formats_round_trip(tone, tmp_path, sample_format, subtype, byte_order):
    wave = tone(8000, 0.25)
    path = tmp_path / "a.raw"
    sf.write(path, np.stack([wave, wave], 1), 8000, format="RAW", subtype=subtype, endian=byte_order.upper())
    raw = RawFormat(8000, sample_format, byte_order, channels=2)
    loaded = audio.load(path, 8000, raw=raw)
    np.testing.assert_allclose(loaded, wave, rtol=0, atol=QUANTISATION.get(subtype, 2**-7) + 1e-7)
    info = audio.probe(path, raw)
    assert (info.container, info.encoding, info.channels) == ("RAW", subtype, 2)
    assert info.duration_seconds == 0.25
    part = audio.load(path, 8000, raw=raw, offset_seconds=0.1, duration_seconds=0.1)
    np.testing.assert_array_equal(part, loaded[800:1600])


def test_raw_samples_are_read_as_numpy_reads_them(tmp_path):
    samples = np.arange(-2000, 2000, 7, dtype=">i2")
    path = tmp_path / "a.pcm"
    path.write_bytes(samples.tobytes())
    loaded = audio.load(path, 16000, raw=RawFormat(16000, "s16", "big"))
    np.testing.assert_array_equal(loaded, samples.astype(np.float32) / 32768)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ((100, "s16", "little"), "sample_rate"),
        ((16000, "s12", "little"), "sample_format"),
        ((16000, "s16", "middle"), "byte_order"),
        ((16000, "s16", "little", 0), "channels"),
    ],
)
def test_impossible_raw_formats_are_refused(fields, field):
    with pytest.raises(ConfigError, match=f"RawFormat.{field}"):
        RawFormat(*fields)


@pytest.mark.parametrize("sample_rate", [0, -16000, 3999, 192001])
def test_wanted_rates_out_of_range_are_a_configuration_error(tone, write, sample_rate):
    with pytest.raises(ConfigError, match=f"sample_rate is {sample_rate} Hz, expected 4000 to 192000"):
        audio.load(write("a.wav", tone()), sample_rate)


def test_content_and_not_suffix_picks_the_reader(tone, write):
    wave = tone()
    path = write("a.wav", wave)
    for suffix in (".mp3", ".m4a", ".WAV", ".unknown", ""):
        renamed = path.with_suffix(suffix)
        path.rename(renamed)
        path = renamed
        np.testing.assert_allclose(audio.load(str(path), 16000), wave, atol=2**-15)


def test_suffixes_are_lower_case_and_complete():
    assert {
        ".wav",
        ".flac",
        ".ogg",
        ".opus",
        ".mp3",
        ".aiff",
        ".sph",
        ".m4a",
        ".webm",
        ".raw",
    } <= AUDIO_SUFFIXES
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in AUDIO_SUFFIXES)


def test_import_is_light():
    code = (
        "import sys, ctcasr.audio; "
        "print([m for m in ('soxr', 'av', 'torch', 'scipy', 'numba') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def _strongest_hertz(wave, sample_rate):
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    return np.argmax(spectrum) * sample_rate / len(wave)
