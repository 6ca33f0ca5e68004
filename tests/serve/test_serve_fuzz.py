"""Requests that were damaged on the way: no crash, no hang, no traceback, and the service goes on."""

from __future__ import annotations

import http.client
import logging
import resource
import socket
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest

FEW, MANY = 60, 1000
MOST_MORE_MEGABYTES = 100
FORM = (
    b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n%s"
)
BODY = (
    b'--b\r\nContent-Disposition: form-data; name="response_format"\r\n\r\nverbose_json\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n%s\r\n--b--\r\n'
)


def resident_megabytes() -> float:
    """Memory that this process holds now; 0 where no Linux says it. (A peak would be that of earlier tests.)"""
    account = Path("/proc/self/statm")
    return int(account.read_text().split()[1]) * resource.getpagesize() / 2**20 if account.is_file() else 0.0


def mutated(request: bytes, generator: np.random.Generator) -> bytes:
    """Flip bits, cut, repeat, insert or overwrite a stretch: more often in the head, where it says what follows."""
    content = bytearray(request)
    for _ in range(generator.integers(1, 6)):
        reach = len(content) if generator.random() < 0.3 else min(600, len(content))
        place, length = int(generator.integers(0, max(1, reach))), int(generator.integers(1, 40))
        match generator.integers(0, 5):
            case 0 if content:
                content[min(place, len(content) - 1)] ^= 1 << int(generator.integers(0, 8))
            case 1:
                del content[place : place + length]
            case 2:
                content[place:place] = content[place : place + length]
            case 3:
                content[place:place] = generator.bytes(length)
            case _:
                content[place : place + length] = generator.bytes(length)
    return bytes(content)


def answer_of(address: str, request: bytes, patience: float) -> bytes:
    """Send raw bytes and return what is answered; after so many seconds without an answer, say that no more comes."""
    parts = urlsplit(address)
    found = b""
    with socket.create_connection((parts.hostname, parts.port), timeout=patience) as connection:
        with suppress(OSError):  # it answered, and closed, before all was sent
            connection.sendall(request)
        with suppress(ConnectionError):
            try:
                found += connection.recv(65536)
            except TimeoutError:
                connection.shutdown(socket.SHUT_WR)
            connection.settimeout(20)
            while block := connection.recv(65536):
                found += block
    return found


# Of a file without its closing boundary starlette forgets the temporary file; it is closed with the request.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Unclosed file <tempfile.SpooledTemporaryFile:ResourceWarning")
@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.minutes)])
def test_damaged_requests(
    address: str, sample: Path, spoken: str, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    log = logging.getLogger("uvicorn.error")
    log.addHandler(caplog.handler)
    caplog.set_level(logging.ERROR, "uvicorn.error")
    body = BODY % sample.read_bytes()
    whole = FORM % (len(body), body)
    assert answer_of(address, whole, 60).startswith(b"HTTP/1.1 200")
    before = most = resident_megabytes()  # the service runs in this process
    generator = np.random.default_rng(6)
    statuses: dict[int, int] = {}
    for number in range(count):
        answer = answer_of(address, mutated(whole, generator), 0.5)
        assert b"Traceback" not in answer, number
        status = int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0
        assert status != 500, (number, answer[:300])
        statuses[status] = statuses.get(status, 0) + 1
        most = max(most, resident_megabytes())
    log.removeHandler(caplog.handler)
    assert [record.getMessage() for record in caplog.records] == []
    assert statuses.get(400, 0) > 0
    assert most - before < MOST_MORE_MEGABYTES, f"{count} damaged requests took {most - before:.0f} MB more"
    assert httpx.get(f"{address}/health", timeout=10).json()["status"] == "ok"
    metrics = httpx.get(f"{address}/metrics", timeout=10).text
    assert "ctcasr_running 0" in metrics
    assert "ctcasr_waiting 0" in metrics
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    connection.request(
        "POST",
        "/v1/audio/transcriptions",
        BODY % sample.read_bytes(),
        {"Content-Type": "multipart/form-data; boundary=b"},
    )
    assert spoken in connection.getresponse().read().decode()
    connection.close()
