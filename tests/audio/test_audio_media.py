from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import numpy as np
import pytest

from ctcasr import audio
from ctcasr.errors import AudioError

av = pytest.importorskip("av", reason="PyAV is not installed: pip install 'ctcasr[media]'")

# suffix -> (FFmpeg's muxer, codec, rate)
KINDS = {
    ".m4a": ("ipod", "aac", 44100),
    ".m4b": ("ipod", "alac", 16000),
    ".mp4": ("mp4", "aac", 16000),
    ".m4v": ("mp4", "aac", 32000),
    ".mov": ("mov", "aac", 44100),
    ".3gp": ("3gp", "aac", 16000),
    ".mkv": ("matroska", "aac", 44100),
    ".mka": ("matroska", "pcm_s16le", 16000),
    ".webm": ("webm", "libopus", 48000),
    ".aac": ("adts", "aac", 22050),
}


def make(path: Path, channels: int = 1, seconds: float = 2.0, video: bool = False) -> Path:
    """Write a media file with a tone of 440 Hz; the first channel is the loudest."""
    muxer, codec, rate = KINDS[path.suffix]
    n = round(rate * seconds)
    wave = 0.4 * np.sin(2 * np.pi * 440 * np.arange(n) / rate)
    planes = np.stack([wave / (channel + 1) for channel in range(channels)]).astype(np.float32)
    layout = "mono" if channels == 1 else "stereo"
    with av.open(str(path), "w", format=muxer) as container:
        picture = container.add_stream("mpeg4", rate=5) if video else None
        stream = container.add_stream(codec, rate=rate, layout=layout)
        if picture is not None:
            picture.width = picture.height = 32
            for index in range(round(5 * seconds)):
                image = av.VideoFrame.from_ndarray(np.full((32, 32, 3), index, np.uint8), format="rgb24")
                container.mux(picture.encode(image))
            container.mux(picture.encode(None))
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("suffix", KINDS)
def test_media_files_are_read(tmp_path, suffix):
    path = make(tmp_path / f"a{suffix}")
    wave = audio.load(path, 16000)
    assert wave.dtype == np.float32
    assert len(wave) == pytest.approx(32000, abs=1600)
    assert np.argmax(np.abs(np.fft.rfft(wave[:32000]))) / 2 == pytest.approx(440, abs=1)
    assert np.abs(wave[8000:24000]).max() == pytest.approx(0.4, abs=0.02)
    info = audio.probe(path)
    assert (info.sample_rate, info.channels) == (KINDS[suffix][2], 1)
    assert info.duration_seconds == pytest.approx(2.0, abs=0.1)
    assert info.encoding in {"AAC", "ALAC", "OPUS", "PCM_S16LE"}


def test_every_media_suffix_is_tested():
    assert set(KINDS) == audio.formats.MEDIA_SUFFIXES


def test_channels_are_averaged(tmp_path):
    mono, stereo = make(tmp_path / "a.m4a"), make(tmp_path / "b.m4a", channels=2)
    peaks = [np.abs(audio.load(path, 44100)[20000:60000]).max() for path in (mono, stereo)]
    assert peaks[1] == pytest.approx(0.75 * peaks[0], rel=0.02)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_sound_of_a_video(tmp_path, suffix):
    path = make(tmp_path / f"a{suffix}", video=True)
    assert len(audio.load(path, 16000)) == pytest.approx(32000, abs=1600)


@pytest.mark.parametrize("suffix", KINDS)
def test_segments_are_slices_of_the_whole(tmp_path, suffix):
    path = make(tmp_path / f"a{suffix}")
    rate = KINDS[suffix][2]
    whole = audio.load(path, rate)
    part = audio.load(path, rate, offset_seconds=0.5, duration_seconds=0.75)
    np.testing.assert_array_equal(part, whole[rate // 2 : rate // 2 + round(0.75 * rate)])
    tail = audio.load(path, rate, offset_seconds=1.5)
    np.testing.assert_array_equal(tail, whole[round(1.5 * rate) :])


@pytest.mark.parametrize(
    ("segment", "found"),
    [
        ({"offset_seconds": 5.0}, "starts at 5.0 s but the file ends at 2.0"),
        ({"duration_seconds": 3.0}, "ends at 3.000 s but the file ends at 2.0"),
    ],
)
@pytest.mark.parametrize("suffix", [".m4a", ".webm"])
def test_segments_beyond_the_end_are_refused(tmp_path, segment, found, suffix):
    with pytest.raises(AudioError, match=found):
        audio.load(make(tmp_path / f"a{suffix}"), 16000, **segment)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("kept", [0.01, 0.5, 0.9])
def test_cut_media_files_are_refused(tmp_path, suffix, kept):
    path = make(tmp_path / f"a{suffix}", seconds=4.0)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(AudioError, match=path.name):
        audio.load(path, 16000)


def test_cut_video_is_refused(tmp_path):
    path = make(tmp_path / "a.mkv", video=True, seconds=4.0)
    path.write_bytes(path.read_bytes()[:-9000])
    with pytest.raises(AudioError, match="truncated or damaged, it promises 4"):
        audio.load(path, 16000)


def test_video_without_sound_is_refused(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=5)
        picture.width = picture.height = 32
        image = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        container.mux(picture.encode(image))
        container.mux(picture.encode(None))
    for call in (lambda: audio.load(path, 16000), lambda: audio.probe(path)):
        with pytest.raises(AudioError, match="holds no audio stream, expected one"):
            call()


@pytest.mark.parametrize("suffix", [".m4a", ".webm", ".aac"])
def test_missing_extra_is_named(tmp_path, monkeypatch, suffix):
    path = make(tmp_path / f"a{suffix}")
    monkeypatch.setitem(sys.modules, "av", None)
    for call in (lambda: audio.load(path, 16000), lambda: audio.probe(path)):
        with pytest.raises(AudioError) as caught:
            call()
        assert str(path) in str(caught.value)
        assert "pip install 'ctcasr[media]'" in str(caught.value)


def test_names_that_ffmpeg_would_take_for_addresses(tmp_path):
    path = make(tmp_path / "a.m4a").rename(tmp_path / "concat:b.m4a")
    assert len(audio.load(path, 16000)) == pytest.approx(32000, abs=1600)


def test_playlists_are_not_followed(tmp_path):
    make(tmp_path / "secret.aac")
    path = tmp_path / "a.m4a"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nsecret.aac\n#EXT-X-ENDLIST\n")
    with pytest.raises(AudioError, match="holds no audio"):
        audio.load(path, 16000)


@pytest.mark.parametrize("suffix", [".m4a", ".mkv", ".webm", ".aac"])
def test_damaged_media_files_give_sound_or_an_audio_error(tmp_path, suffix):
    rng = np.random.default_rng(7)
    path = make(tmp_path / f"a{suffix}", seconds=0.3)
    content = path.read_bytes()
    for _ in range(15):
        changed = bytearray(content)
        for place in rng.integers(0, len(changed), 5):
            changed[place] = rng.integers(0, 256)
        path.write_bytes(changed)
        # Any other exception fails the test.
        with contextlib.suppress(AudioError):
            assert np.isfinite(audio.load(path, 16000)).all()
            assert audio.probe(path).duration_seconds > 0
