from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.audio.filtering import power
from ctcasr.audio.rooms import (
    IMAGE_ORDER,
    METRES_PER_SECOND,
    Room,
    draw_room,
    reverberate,
    room_response,
)
from ctcasr.errors import ConfigError

RATE = 16000


def images_by_loops(room, rate, length):
    """Mirror the mouth at the walls, one image after the other, with Allen and Berkley's indices."""
    lx, ly, lz = room.size
    volume, surface = lx * ly * lz, 2 * (lx * ly + ly * lz + lz * lx)
    absorbed = 1 - math.exp(-24 * math.log(10) * volume / (343 * surface * room.reverberation_seconds))
    reflection = -math.sqrt(1 - absorbed)
    direct = math.dist(room.mouth, room.microphone)
    response = np.zeros(length)
    orders = range(-IMAGE_ORDER, IMAGE_ORDER + 1)
    for mirrored in itertools.product((0, 1), repeat=3):
        for order in itertools.product(orders, repeat=3):
            image = [
                (1 - 2 * q) * at + 2 * n * size
                for q, n, at, size in zip(mirrored, order, room.mouth, room.size, strict=True)
            ]
            hits = sum(abs(n - q) + abs(n) for q, n in zip(mirrored, order, strict=True))
            distance = math.dist(image, room.microphone)
            place = round((distance - direct) / 343 * rate)
            if distance < 2 * IMAGE_ORDER * min(room.size) and place < length:
                response[place] += reflection**hits * direct / distance
    return response


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000), seconds=st.floats(0.1, 1))
def test_early_reflections_are_mirror_images(seed, seconds):
    room = draw_room(seconds, np.random.default_rng(seed))
    travelled = 2 * IMAGE_ORDER * min(room.size) - math.dist(room.mouth, room.microphone)
    early = int(travelled / METRES_PER_SECOND * RATE) - 1
    found = room_response(room, RATE, np.random.default_rng(0))[:early]
    np.testing.assert_allclose(found, images_by_loops(room, RATE, len(found)), atol=1e-5)


@pytest.mark.parametrize("seconds", [0.3, 0.6, 1.0])
def test_sound_falls_as_long_as_the_reverberation_time_says(seconds):
    """By Schroeder's backward integration (1965), between -5 and -35 dB."""
    found = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        response = room_response(draw_room(seconds, rng), RATE, rng)
        left = 10 * np.log10(np.cumsum(np.square(response[::-1], dtype=np.float64))[::-1])
        falling = np.flatnonzero((left < left[0] - 5) & (left > left[0] - 35))
        found.append(-60 / (np.polyfit(falling / RATE, left[falling], 1)[0]))
    assert np.median(found) == pytest.approx(seconds, rel=0.15)


def test_the_noise_goes_on_where_the_images_end():
    """The energy of 10 ms before and behind the last image differs as much as the decay says."""
    ratios = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        room = draw_room(0.5, rng)
        response = room_response(room, RATE, rng)
        travelled = 2 * IMAGE_ORDER * min(room.size) - math.dist(room.mouth, room.microphone)
        seam = int(travelled / METRES_PER_SECOND * RATE)
        before, behind = response[seam - 160 : seam], response[seam : seam + 160]
        ratios.append(np.square(behind).sum() / np.square(before).sum())
    assert np.median(ratios) == pytest.approx(10 ** (-6 * 0.01 / 0.5), rel=0.35)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    seconds=st.floats(0.05, 3),
    rate=st.sampled_from([4000, 8000, 16000, 44100]),
)
def test_rooms_that_are_drawn_are_rooms(seed, seconds, rate):
    rng = np.random.default_rng(seed)
    room = draw_room(seconds, rng)
    assert math.dist(room.mouth, room.microphone) <= 3
    response = room_response(room, rate, rng)
    assert response.shape == (math.ceil(seconds * rate),)
    assert np.isfinite(response).all()
    assert response[0] == 1  # the direct sound, and nothing before it


def test_nothing_is_delayed():
    click = np.zeros(8000, np.float32)
    click[2000] = 0.5
    for seed in range(10):
        rng = np.random.default_rng(seed)
        room = draw_room(0.4, rng)
        heard = reverberate(click, room_response(room, RATE, rng))
        assert np.abs(heard[:2000]).max() < 1e-6
        assert np.abs(heard[2000]) == pytest.approx(np.abs(heard).max(), rel=1e-4)
        assert power(heard) == pytest.approx(power(click), rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mouth": (1, 2, 3)}, r"the mouth is at \(1, 2, 3\), expected inside of the room"),
        ({"microphone": (-1, 1, 1)}, "the microphone is at"),
        ({"microphone": (1, 1, float("nan"))}, "the microphone is at"),
        ({"mouth": (2, 2, 1)}, "mouth and microphone are both at"),
        ({"reverberation_seconds": 0.01}, r"is 0\.01 s, expected 0\.05 to 3"),
        ({"reverberation_seconds": float("nan")}, "is nan s"),
    ],
)
def test_rooms_that_cannot_be(changes, message):
    values = {
        "size": (4, 3, 2.5),
        "mouth": (1, 1, 1),
        "microphone": (2, 2, 1),
        "reverberation_seconds": 0.5,
    }
    with pytest.raises(ConfigError, match=message):
        Room(**(values | changes))
