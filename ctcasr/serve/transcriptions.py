"""`POST /v1/audio/transcriptions`, as OpenAI's clients ask for it."""

from __future__ import annotations

import asyncio
import json
import math
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from fastapi import Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect

from ctcasr.errors import AudioError
from ctcasr.runtime import FORMATS, Recognizer, Transcript
from ctcasr.runtime.outputs import as_file
from ctcasr.serve.metrics import Metrics
from ctcasr.serve.refusing import RefusalError
from ctcasr.serve.settings import ServeSettings
from ctcasr.serve.work import Work

RESPONSE_FORMATS = ("json", "text", "srt", "verbose_json", "vtt", "all")
GRANULARITIES = ("word", "segment")
MOST_FIELDS = 32
MOST_FIELD_BYTES = 64_000


class Transcriptions:
    """Answer requests for transcriptions."""

    def __init__(self, recognizer: Recognizer, settings: ServeSettings, work: Work, metrics: Metrics) -> None:
        self._recognizer, self._settings = recognizer, settings
        self._work, self._metrics = work, metrics

    async def __call__(self, request: Request) -> Response:
        """Transcribe the file of a form.

        Raises:
            RefusalError: the form is wrong, the file cannot be read, or there is too much to do.
        """
        self._work.check_room()
        form = await self._form(request)
        try:
            file, wanted, times = _fields(form)
            transcript = await self._work.run(lambda: self._transcribe(file))
        finally:
            await form.close()
        if transcript.error:
            raise RefusalError(400, transcript.error, "file")
        self._metrics.add("audio_seconds_total", transcript.duration_seconds)
        return _answer(transcript, wanted, times)

    async def _form(self, request: Request) -> FormData:
        try:
            async with asyncio.timeout(self._settings.upload_seconds):
                return await request.form(max_files=1, max_fields=MOST_FIELDS, max_part_size=MOST_FIELD_BYTES)
        except TimeoutError as error:
            raise RefusalError(
                408, f"the request did not arrive in {self._settings.upload_seconds:g} s; send a smaller file"
            ) from error
        except ClientDisconnect as error:
            raise RefusalError(400, "the client went away before its request had arrived") from error
        except (
            MultiPartException,
            ValueError,
            LookupError,
        ) as error:  # LookupError: a charset that there is not
            raise RefusalError(
                400, f"the form cannot be read ({str(error)[:200]}); send multipart/form-data"
            ) from error
        except Exception as error:
            if getattr(error, "status_code", None) == 400:  # starlette's wording of a damaged form
                raise RefusalError(
                    400, f"the form cannot be read ({getattr(error, 'detail', '')}); send multipart/form-data"
                ) from error
            raise

    def _transcribe(self, content: BinaryIO) -> Transcript:
        """Transcribe what a client sent; its name for the file is never used, on the disk or elsewhere."""
        deadline = time.monotonic() + self._settings.work_seconds

        def watch(*_: object) -> None:
            if time.monotonic() > deadline:
                raise AudioError(
                    f"the recording took longer than {self._settings.work_seconds:g} s to transcribe; send a "
                    "shorter one"
                )

        with tempfile.TemporaryDirectory(prefix="ctcasr-") as folder:
            path = Path(folder) / "audio"
            with path.open("wb") as file:
                shutil.copyfileobj(content, file)
            started = time.perf_counter()
            transcript = next(self._recognizer.transcribe([path], threads=1, watch=watch))
            self._metrics.add("work_seconds_total", time.perf_counter() - started)
            shown = transcript.error.replace(f"{path}: ", "").replace(str(path), "the file")
        return replace(transcript, audio_path="", error=shown)


def _fields(form: FormData) -> tuple[BinaryIO, str, frozenset[str]]:
    """Return the file, the format and the granularities that are asked for.

    `language`, `prompt`, `temperature` and `model` are read by other services and change nothing here.
    """
    upload = form.get("file")
    if not isinstance(upload, UploadFile):
        raise RefusalError(400, "the form has no file; send the recording as the field `file`", "file")
    wanted = form.get("response_format", "json")
    if wanted not in RESPONSE_FORMATS:
        expected = ", ".join(RESPONSE_FORMATS)
        raise RefusalError(
            400, f"response_format is {str(wanted)[:40]!r}; expected one of {expected}", "response_format"
        )
    name = "timestamp_granularities"
    times = frozenset(map(str, [*form.getlist(f"{name}[]"), *form.getlist(name)]))
    if not times <= set(GRANULARITIES):
        raise RefusalError(400, f"{name} are {sorted(times)[:3]}; expected word or segment", name)
    if str(form.get("stream", "false")).lower() not in ("false", "0", ""):
        raise RefusalError(
            400, "transcripts are not streamed here; leave out `stream`, or use /v1/live", "stream"
        )
    return upload.file, str(wanted), times or frozenset({"segment"})


def _answer(transcript: Transcript, wanted: str, times: frozenset[str]) -> Response:
    if wanted == "json":
        return JSONResponse({"text": transcript.text})
    if wanted == "verbose_json":
        return JSONResponse(_verbose(transcript, times))
    if wanted == "all":
        files = {form: as_file(transcript, form) for form in FORMATS if form != "json"}
        return JSONResponse({**json.loads(FORMATS["json"](transcript)), "files": files})
    kind = {"text": "text/plain", "srt": "application/x-subrip", "vtt": "text/vtt"}[wanted]
    return PlainTextResponse(as_file(transcript, "txt" if wanted == "text" else wanted), media_type=kind)


def _verbose(transcript: Transcript, times: frozenset[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "task": "transcribe",
        "language": "english",
        "duration": round(transcript.duration_seconds, 3),
        "text": transcript.text,
    }
    if "word" in times:
        fields["words"] = [
            {"word": word.text, "start": round(word.start_seconds, 3), "end": round(word.end_seconds, 3)}
            for word in transcript.words
        ]
    if "segment" in times:
        fields["segments"] = [
            {
                "id": number,
                "seek": 0,
                "start": round(segment.start_seconds, 3),
                "end": round(segment.end_seconds, 3),
                "text": segment.text,
                "tokens": [],
                "temperature": 0.0,
                "avg_logprob": round(math.log(max(segment.confidence, 1e-9)), 4),
                "compression_ratio": 1.0,
                "no_speech_prob": 0.0 if segment.words else 1.0,
            }
            for number, segment in enumerate(transcript.segments)
        ]
    return fields


__all__ = ["Transcriptions"]
