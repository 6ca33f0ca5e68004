"""What a service allows its clients."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from ctcasr.errors import ConfigError


@dataclass(frozen=True)
class ServeSettings:
    """Limits of a service.

    Attributes:
        jobs: recordings that are transcribed at a time.
        queue: requests that may wait for that; further ones are answered with 503 and asked to come back.
        upload_megabytes: most of one request.
        upload_seconds: in which a request has to arrive.
        work_seconds: that the transcription of one recording may take.
        live: connections that may stream live audio at a time.
        live_seconds: of audio in one such connection.
        idle_seconds: after which a live connection that sends nothing is closed.
        token: that clients have to show as a bearer; none by default.
    """

    jobs: int = field(default_factory=lambda: os.cpu_count() or 1)
    queue: int = 256
    upload_megabytes: float = 100.0
    upload_seconds: float = 120.0
    work_seconds: float = 600.0
    live: int = 8
    live_seconds: float = 3600.0
    idle_seconds: float = 30.0
    token: str | None = None

    def __post_init__(self) -> None:
        counts = {"jobs": self.jobs, "live": self.live}
        sizes = {
            "upload_megabytes": self.upload_megabytes,
            "upload_seconds": self.upload_seconds,
            "work_seconds": self.work_seconds,
            "live_seconds": self.live_seconds,
            "idle_seconds": self.idle_seconds,
        }
        for name, value in counts.items():
            if value < 1:
                raise ConfigError(f"{name} is {value}; expected 1 or more")
        for name, size in sizes.items():
            if not 0 < size < float("inf"):
                raise ConfigError(f"{name} is {size:g}; expected more than 0")
        if self.queue < 0:
            raise ConfigError(f"queue is {self.queue}; expected 0 or more")
        if self.token is not None and (not self.token.isascii() or not self.token.strip()):
            raise ConfigError("the token is empty or not ASCII; choose letters and digits")

    @property
    def upload_bytes(self) -> int:
        """Most bytes of one request."""
        return round(self.upload_megabytes * 1_000_000)
