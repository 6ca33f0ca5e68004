"""Synthetic rooms: impulse responses of boxes, and speech as it sounds in them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctcasr.audio.filtering import Float32, convolve, power
from ctcasr.errors import ConfigError

METRES_PER_SECOND = 343.0
MIN_REVERBERATION_SECONDS = 0.05
MAX_REVERBERATION_SECONDS = 3.0

IMAGE_ORDER = 3
"""Mirrored rooms on either side of each axis; reflections from beyond them are drawn as noise."""

SMALLEST_METRES, LARGEST_METRES = (3.0, 3.0, 2.4), (10.0, 8.0, 4.0)
DISTANCE_METRES = (0.3, 3.0)
FROM_WALL_METRES = (0.5, 0.3)
"""Least distance of the microphone, and of the mouth, from the walls."""

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Room:
    """A box with a mouth and a microphone in it, in metres from one of its corners.

    `reverberation_seconds` is RT60, after which a sound has fallen by 60 dB.
    """

    size: Point
    mouth: Point
    microphone: Point
    reverberation_seconds: float

    def __post_init__(self) -> None:
        """Check the room.

        Raises:
            ConfigError: mouth or microphone stand in or outside of the walls, or in the same place, or RT60 is out of
                range.
        """
        for name in ("mouth", "microphone"):
            if not all(0 < at < end for at, end in zip(getattr(self, name), self.size, strict=True)):
                raise ConfigError(
                    f"the {name} is at {getattr(self, name)}, expected inside of the room {self.size}"
                )
        if self.mouth == self.microphone:
            raise ConfigError(
                f"mouth and microphone are both at {self.mouth}, expected a distance between them"
            )
        if not MIN_REVERBERATION_SECONDS <= self.reverberation_seconds <= MAX_REVERBERATION_SECONDS:
            raise ConfigError(
                f"the reverberation time is {self.reverberation_seconds} s, expected {MIN_REVERBERATION_SECONDS} to "
                f"{MAX_REVERBERATION_SECONDS}"
            )


def draw_room(reverberation_seconds: float, rng: np.random.Generator) -> Room:
    """Draw a room of an office's or a living room's size, and somebody up to 3 m away from the microphone.

    Raises:
        ConfigError: the reverberation time is out of range.
    """
    size = rng.uniform(SMALLEST_METRES, LARGEST_METRES)
    microphone = rng.uniform(FROM_WALL_METRES[0], size - FROM_WALL_METRES[0])
    direction = rng.standard_normal(3)
    away = rng.uniform(*DISTANCE_METRES) / np.linalg.norm(direction) * direction
    mouth = np.clip(microphone + away, FROM_WALL_METRES[1], size - FROM_WALL_METRES[1])
    return Room(_point(size), _point(mouth), _point(microphone), reverberation_seconds)


def room_response(room: Room, sample_rate: int, rng: np.random.Generator) -> Float32:
    """Return the impulse response of a room, from the direct sound on.

    Early reflections are mirror images of the mouth (Allen and Berkley 1979, "Image method for efficiently simulating
    small-room acoustics", equations 9 and 10), each in the sample nearest to its time. All walls absorb alike, as much
    as Eyring's formula (1930) asks for RT60, and turn the sign: reflections of one sign would add up to a rumble that
    rooms do not have (Lehmann and Johansson 2008, "Prediction of energy decay in room impulse responses simulated with
    an image-source model", section II.B). Where the mirrored rooms end, Gaussian noise of the same energy goes on: a
    room of volume V has 4 pi c^3 t^2 / V reflections a second after t seconds (Kuttruff, Room Acoustics, section 4.1),
    which decay by 10^(-6 t / RT60).

    Args:
        room: with a reverberation time RT60.
        sample_rate: Hz.
        rng: source of the noise.

    Returns:
        `(R,)` float32, R = RT60 in samples, rounded up. The direct sound is 1 in sample 0, so that nothing is delayed.
    """
    size, mouth, microphone = (np.array(point) for point in (room.size, room.mouth, room.microphone))
    volume = float(size.prod())
    surface = 2 * float(size[0] * size[1] + size[1] * size[2] + size[2] * size[0])
    seconds = room.reverberation_seconds
    log_reflected = -24 * math.log(10) * volume / (METRES_PER_SECOND * surface * seconds)
    distances, bounces = _images(size, mouth, microphone)
    direct = float(np.linalg.norm(mouth - microphone))
    complete = 2 * IMAGE_ORDER * float(size.min())  # all images are known that are nearer than this
    length = math.ceil(seconds * sample_rate)
    places = np.rint((distances - direct) / METRES_PER_SECOND * sample_rate).astype(np.intp)
    early = (distances < complete) & (places < length)
    signs = 1 - 2 * (bounces[early] % 2)
    amplitudes = signs * np.exp(0.5 * log_reflected * bounces[early]) * direct / distances[early]
    response = np.zeros(length)
    np.add.at(response, places[early], amplitudes)  # several may arrive at once
    travelled = direct + np.arange(length) * (METRES_PER_SECOND / sample_rate)
    late = travelled >= complete
    density = 4 * math.pi * METRES_PER_SECOND * direct**2 / (volume * sample_rate)
    decay = 10 ** (-3 / (METRES_PER_SECOND * seconds) * travelled[late])
    response[late] += math.sqrt(density) * decay * rng.standard_normal(int(late.sum()))
    return response.astype(np.float32)


def reverberate(waveform: Float32, response: Float32) -> Float32:
    """Let a waveform sound in a room.

    Args:
        waveform: `(N,)`.
        response: `(R,)`, of `room_response`.

    Returns:
        `(N,)` of the same power; nothing is delayed, and what rings on after the waveform is cut off.
    """
    heard = convolve(waveform, response)
    before, after = power(waveform), power(heard)
    return heard * np.float32(math.sqrt(before / after)) if after else heard


def _images(
    size: npt.NDArray[np.float64], mouth: npt.NDArray[np.float64], microphone: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return the distances of all mirror images of the mouth, and at how many walls each was reflected."""
    rooms = np.repeat(np.arange(-IMAGE_ORDER, IMAGE_ORDER + 1), 2)
    mirrored = np.tile([0, 1], 2 * IMAGE_ORDER + 1)
    places = 2 * rooms * size[:, None] + (1 - 2 * mirrored) * mouth[:, None]
    x, y, z = np.square(places - microphone[:, None])
    hits = np.abs(rooms) + np.abs(rooms - mirrored)
    distances = np.sqrt(x[:, None, None] + y[:, None] + z)
    bounces = hits[:, None, None] + hits[:, None] + hits
    return distances.ravel(), bounces.ravel()


def _point(coordinates: npt.NDArray[np.float64]) -> Point:
    x, y, z = coordinates.tolist()
    return x, y, z
