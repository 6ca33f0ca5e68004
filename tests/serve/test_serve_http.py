"""The service over HTTP: OpenAI's client, formats, limits, many clients at once."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import numpy as np
import openai
import pytest
import soundfile as sf
import srt
import webvtt

from ctcasr.errors import ConfigError
from ctcasr.runtime import FORMATS, Recognizer
from ctcasr.serve import ServeSettings
from ctcasr.serve.metrics import Metrics

Serving = Callable[..., AbstractContextManager[str]]


ROUTE = "/v1/audio/transcriptions"


def post(address: str, content: bytes, timeout: float = 60, **fields: str) -> httpx.Response:
    return httpx.post(
        address + ROUTE, files={"file": ("../../etc/passwd", content)}, data=fields, timeout=timeout
    )


def message(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["message"])


@pytest.fixture
def client(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="none", base_url=f"{address}/v1", max_retries=0) as found:
        yield found


class TestOpenAI:
    """The official client, unchanged."""

    def test_json(self, client: openai.OpenAI, sample: Path, spoken: str) -> None:
        with sample.open("rb") as file:
            assert client.audio.transcriptions.create(model="an4", file=file).text == spoken

    def test_text_srt_and_vtt(self, client: openai.OpenAI, sample: Path, spoken: str) -> None:
        found = {}
        for form in ("text", "srt", "vtt"):
            with sample.open("rb") as file:
                found[form] = str(
                    client.audio.transcriptions.create(model="an4", file=file, response_format=form)  # type: ignore[call-overload]
                )
        assert found["text"].strip() == spoken
        assert " ".join(cue.content for cue in srt.parse(found["srt"])) == spoken
        assert " ".join(cue.text for cue in webvtt.from_buffer(io.StringIO(found["vtt"]))) == spoken

    def test_verbose_json(self, client: openai.OpenAI, sample: Path, spoken: str) -> None:
        with sample.open("rb") as file:
            found = client.audio.transcriptions.create(
                model="an4",
                file=file,
                response_format="verbose_json",
                timestamp_granularities=["word", "segment"],
            )
        assert [word.word for word in found.words or ()] == spoken.split()
        assert [segment.text for segment in found.segments or ()] == [spoken]
        assert float(found.duration) == pytest.approx(sf.info(sample).duration, abs=1e-3)

    def test_models(self, client: openai.OpenAI) -> None:
        assert [model.id for model in client.models.list()] == ["an4"]

    def test_an_error_is_theirs(self, client: openai.OpenAI) -> None:
        with pytest.raises(openai.BadRequestError, match="holds no audio"):
            client.audio.transcriptions.create(model="an4", file=("x.wav", b"no sound" * 99))


class TestForms:
    def test_granularities_change_the_answer(self, address: str, sample: Path) -> None:
        content = sample.read_bytes()
        kinds = [{}, {"timestamp_granularities[]": "word"}, {"timestamp_granularities": "segment"}]
        answers = [post(address, content, response_format="verbose_json", **kind).json() for kind in kinds]
        assert [("words" in one, "segments" in one) for one in answers] == [
            (False, True),
            (True, False),
            (False, True),
        ]

    def test_all_formats_at_once(self, address: str, sample: Path, spoken: str) -> None:
        fields = post(address, sample.read_bytes(), response_format="all").json()
        assert fields["text"] == spoken
        assert set(fields["files"]) == set(FORMATS) - {"json"}
        assert "passwd" not in str(fields)

    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({"response_format": "xml"}, "response_format"),
            ({"timestamp_granularities[]": "letter"}, "timestamp_granularities"),
            ({"stream": "true"}, "stream"),
        ],
    )
    def test_wrong_fields(self, address: str, sample: Path, fields: dict[str, str], param: str) -> None:
        answer = post(address, sample.read_bytes(), **fields)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)

    @pytest.mark.parametrize(
        ("content", "kind"),
        [
            (b"", "multipart/form-data; boundary=x"),
            (b"--x\r\ndamaged", "multipart/form-data; boundary=x"),
            (b"x", "multipart/form-data"),
            (b"{}", "application/json"),
            (b"file=1", "application/x-www-form-urlencoded"),
            (
                b"--x\r\nContent-Disposition: form-data; name=file\r\n\r\n1\r\n--x--",
                "multipart/form-data; boundary=x",
            ),
            (b"--x\r\n", "multipart/form-data; boundary=x; charset=none"),
        ],
    )
    def test_what_is_no_form(self, address: str, content: bytes, kind: str) -> None:
        answer = httpx.post(address + ROUTE, content=content, headers={"content-type": kind}, timeout=30)
        assert answer.status_code == 400
        assert "form" in message(answer)

    def test_an_error_names_no_path_of_the_server(self, address: str) -> None:
        for content in (b"", b"RIFF", b"no sound at all" * 50):
            answer = post(address, content)
            assert answer.status_code == 400
            assert "/tmp" not in message(answer)
            assert "ctcasr-" not in message(answer)


class TestLimits:
    def test_a_large_body_is_refused(self, address: str) -> None:
        def chunks() -> Iterator[bytes]:
            for _ in range(40):
                yield bytes(100_000)

        for content in (bytes(1_200_000), chunks()):
            try:
                answer = httpx.post(address + ROUTE, content=content, timeout=30, headers={
                    "content-type": "multipart/form-data; boundary=x"})  # fmt: skip
            except httpx.WriteError:
                continue  # the service answered and closed before all was sent
            assert answer.status_code in (400, 413)
        assert httpx.get(f"{address}/health").json()["status"] == "ok"
        assert post(address, bytes(1_200_000)).status_code == 413

    def test_a_token_is_wanted(self, recognizer: Recognizer, serving: Serving, sample: Path) -> None:
        with serving(recognizer, ServeSettings(token="secret")) as address:
            assert httpx.get(f"{address}/health").json()["needs_token"] is True
            assert httpx.get(f"{address}/").status_code == 200
            assert post(address, sample.read_bytes()).status_code == 401
            for token in ("wrong", "secre", "secret2"):
                answer = httpx.get(f"{address}/v1/models", headers={"authorization": f"Bearer {token}"})
                assert answer.status_code == 401
            good = {"authorization": "Bearer secret"}
            assert httpx.get(f"{address}/v1/models", headers=good).status_code == 200

    def test_a_recording_may_take_so_long(self, recognizer: Recognizer, serving: Serving) -> None:
        buffer = io.BytesIO()
        sf.write(buffer, np.random.default_rng(0).normal(0, 0.1, 16_000 * 60), 16_000, format="WAV")
        with serving(recognizer, ServeSettings(work_seconds=0.01)) as address:
            answer = post(address, buffer.getvalue())
        assert answer.status_code == 400
        assert "took longer than 0.01 s" in message(answer)

    @pytest.mark.slow
    def test_a_slow_sender_is_refused(self, recognizer: Recognizer, serving: Serving) -> None:
        def slow() -> Iterator[bytes]:
            for _ in range(50):
                yield b"--x\r\n"
                time.sleep(0.05)

        with serving(recognizer, ServeSettings(upload_seconds=0.3)) as address:
            headers = {"content-type": "multipart/form-data; boundary=x"}
            answer = httpx.post(address + ROUTE, content=slow(), headers=headers, timeout=30)
        assert answer.status_code in (400, 408)

    def test_too_many_are_asked_to_come_back(
        self, recognizer: Recognizer, serving: Serving, sample: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gate, started = threading.Event(), threading.Event()
        transcribe = recognizer.transcribe

        def held(*arguments: object, **options: object) -> object:
            started.set()
            gate.wait(30)
            return transcribe(*arguments, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(recognizer, "transcribe", held)
        content = sample.read_bytes()
        with serving(recognizer, ServeSettings(jobs=1, queue=1)) as address, ThreadPoolExecutor(2) as pool:
            waiting = [pool.submit(post, address, content) for _ in range(2)]
            started.wait(30)
            while "ctcasr_waiting 1" not in httpx.get(f"{address}/metrics").text:
                time.sleep(0.01)
            answer = post(address, content)
            gate.set()
            assert [future.result().status_code for future in waiting] == [200, 200]
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")

    @pytest.mark.slow
    def test_a_hundred_clients_lose_nothing(self, address: str, sample: Path, spoken: str) -> None:
        content = sample.read_bytes()
        with ThreadPoolExecutor(100) as pool:
            answers = list(pool.map(lambda _: post(address, content, timeout=300), range(100)))
        assert [answer.status_code for answer in answers] == [200] * 100
        assert {answer.json()["text"] for answer in answers} == {spoken}

    @pytest.mark.parametrize(
        "settings",
        [{"jobs": 0}, {"queue": -1}, {"upload_megabytes": 0}, {"work_seconds": -1.0}, {"token": " "}, {"token": "ü"},
         {"live": 0}, {"idle_seconds": float("nan")}],
    )  # fmt: skip
    def test_impossible_settings(self, settings: dict[str, float]) -> None:
        with pytest.raises(ConfigError):
            ServeSettings(**settings)  # type: ignore[arg-type]


class TestPages:
    def test_health_metrics_and_page(self, address: str, sample: Path) -> None:
        post(address, sample.read_bytes())
        assert httpx.get(f"{address}/health").json() == {"status": "ok", "model": "an4", "needs_token": False}
        lines = httpx.get(f"{address}/metrics").text.splitlines()
        values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        assert float(values["ctcasr_audio_seconds_total"]) > 1
        assert float(values['ctcasr_requests_total{status="200"}']) >= 1
        assert float(values["ctcasr_running"]) == 0
        page = httpx.get(address)
        assert page.headers["content-type"].startswith("text/html")
        assert "http://" not in page.text
        assert "https://" not in page.text

    def test_counters(self) -> None:
        metrics = Metrics()
        metrics.add("a_total")
        metrics.add("a_total", 2.5, 'kind="x"')
        assert metrics.text(b=1) == (
            '# TYPE ctcasr_a_total counter\nctcasr_a_total 1\nctcasr_a_total{kind="x"} 2.5\n'
            "# TYPE ctcasr_b gauge\nctcasr_b 1\n"
        )

    def test_unknown_pages(self, address: str) -> None:
        for path in ("/nothing", "/v1/audio", "/../pyproject.toml", "/docs"):
            assert httpx.get(address + path).status_code == 404
