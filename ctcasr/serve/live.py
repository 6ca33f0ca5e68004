"""`/v1/live`: a WebSocket that takes sound while it is made, and gives partial and final results."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from fastapi import WebSocket, WebSocketDisconnect

from ctcasr.errors import CtcAsrError
from ctcasr.runtime import Recognizer, StreamResult
from ctcasr.runtime.streaming import RecognitionStream
from ctcasr.serve.metrics import Metrics
from ctcasr.serve.refusing import RefusalError, check_token
from ctcasr.serve.settings import ServeSettings
from ctcasr.serve.work import Work

END = "end"
REFUSED, TOO_MUCH, TRY_LATER = 1008, 1009, 1013
MOST_CHUNK_BYTES = 1_000_000


class Live:
    """Answer connections: binary messages are 16-bit samples, little-endian, one channel; the text `end` ends."""

    def __init__(self, recognizer: Recognizer, settings: ServeSettings, work: Work, metrics: Metrics) -> None:
        self._recognizer, self._settings = recognizer, settings
        self._work, self._metrics = work, metrics
        self.connections = 0

    async def __call__(self, socket: WebSocket) -> None:
        """Serve one connection; `?sample_rate=` says the rate of its samples in Hz, `&token=` the token."""
        await socket.accept()
        query = socket.query_params
        try:
            check_token(self._settings.token, socket.headers.get("authorization") or query.get("token"))
            stream, rate = self._open(query.get("sample_rate", "16000"))
        except RefusalError as refusal:
            await _close(socket, TRY_LATER if refusal.status == 503 else REFUSED, refusal.message)
            return
        self.connections += 1
        try:
            await self._serve(socket, stream, rate)
        except TimeoutError:
            await _close(socket, REFUSED, f"nothing came for {self._settings.idle_seconds:g} s")
        except RefusalError as refusal:
            await _close(socket, TOO_MUCH, refusal.message)
        except CtcAsrError as error:
            await _close(socket, REFUSED, str(error))
        except (WebSocketDisconnect, RuntimeError):
            return  # the client went away; RuntimeError: while it was being answered
        finally:
            self.connections -= 1

    def _open(self, rate: str) -> tuple[RecognitionStream, int]:
        if self.connections >= self._settings.live:
            raise RefusalError(503, f"{self.connections} live connections are open already; come back later")
        if not (rate.isascii() and rate.isdigit() and len(rate) < 7):
            raise RefusalError(400, f"sample_rate is {rate[:20]!r}; expected Hz, such as 16000")
        try:
            return self._recognizer.stream(int(rate)), int(rate)
        except CtcAsrError as error:
            raise RefusalError(400, str(error)) from error

    async def _serve(self, socket: WebSocket, stream: RecognitionStream, rate: int) -> None:
        seconds = 0.0
        while True:
            async with asyncio.timeout(self._settings.idle_seconds):
                message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if message.get("text") is not None:
                if message["text"] != END:
                    raise RefusalError(
                        400, f"a text came that is not {END!r}; send samples as binary messages"
                    )
                await self._tell(socket, await self._work.run(stream.finish))
                await socket.send_text(json.dumps({"type": "end"}))
                await socket.close()
                return
            chunk = _samples(message.get("bytes") or b"")
            seconds += len(chunk) / rate
            if seconds > self._settings.live_seconds:
                raise RefusalError(
                    413, f"more than {self._settings.live_seconds:g} s came; begin another connection"
                )
            # The next message is read when this one is recognised: a client that is too fast has to wait.
            await self._tell(socket, await self._work.run(partial(stream.feed, chunk)))
            self._metrics.add("live_seconds_total", len(chunk) / rate)

    async def _tell(self, socket: WebSocket, results: list[StreamResult]) -> None:
        for result in results:
            await socket.send_text(json.dumps(_fields(result)))


def _samples(content: bytes) -> npt.NDArray[np.float32]:
    if len(content) % 2 or len(content) > MOST_CHUNK_BYTES:
        raise RefusalError(
            400,
            f"a chunk of {len(content)} bytes came; expected 16-bit samples, at most {MOST_CHUNK_BYTES} bytes",
        )
    return np.frombuffer(content, "<i2").astype(np.float32) / np.float32(32768)


def _fields(result: StreamResult) -> dict[str, Any]:
    segment = result.segment
    return {
        "type": "final" if result.is_final else "partial",
        "start": round(segment.start_seconds, 3),
        "end": round(segment.end_seconds, 3),
        "text": segment.text,
        "words": [
            {"word": word.text, "start": round(word.start_seconds, 3), "end": round(word.end_seconds, 3)}
            for word in segment.words
        ],
    }


async def _close(socket: WebSocket, code: int, message: str) -> None:
    """Say why, and close; a client that is gone already hears neither."""
    try:
        await socket.send_text(json.dumps({"type": "error", "message": message}))
        await socket.close(code)
    except (WebSocketDisconnect, RuntimeError):
        return


__all__ = ["Live"]
