"""`ctcasr serve`: options, and a process that is stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_every_option_reaches_the_service(
    ctcasr: Run, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uvicorn = pytest.importorskip("uvicorn", reason="needs ctcasr[serve]")
    from ctcasr import serve
    from ctcasr.serve import ServeSettings

    seen: dict[str, Any] = {}

    def make_app(recognizer: Any, settings: ServeSettings) -> str:
        seen.update(
            settings=settings, precision=recognizer.precision, name=recognizer.bundle.description.name
        )
        return "app"

    class Server:
        def __init__(self, config: Any) -> None:
            seen.update(host=config.host, port=config.port)

        def run(self) -> None:
            pass

    monkeypatch.setattr(serve, "make_app", make_app)
    monkeypatch.setattr(uvicorn, "Server", Server)
    options = ["--host", "0.0.0.0", "--port", 81, "--token", "t", "--precision", "fp32", "-j", 3]
    options += ["--queue", 7, "--max-upload", 2.5, "--time-limit", 9]
    said = ctcasr("serve", "-m", tiny_bundle, *options)
    assert (said.code, said.out) == (0, "")
    assert said.err == "listening at http://0.0.0.0:81; Ctrl-C ends\n"
    assert (seen["host"], seen["port"], seen["precision"], seen["name"]) == ("0.0.0.0", 81, "fp32", "tiny")
    assert seen["settings"] == ServeSettings(
        jobs=3, queue=7, upload_megabytes=2.5, work_seconds=9.0, token="t"
    )
    ctcasr("serve", "-m", tiny_bundle)
    assert seen["settings"] == ServeSettings()
    assert (seen["host"], seen["port"]) == ("127.0.0.1", 8000)
    monkeypatch.setenv("CTCASR_TOKEN", "of the environment")
    ctcasr("serve", "-m", tiny_bundle)
    assert seen["settings"].token == "of the environment"


def test_without_the_extra(ctcasr: Run, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    said = ctcasr("serve", "-m", tiny_bundle)
    assert (said.code, said.out) == (2, "")
    assert "pip install 'ctcasr[serve]'" in said.err


def test_wrong_usage(ctcasr: Run, tiny_bundle: Path) -> None:
    pytest.importorskip("uvicorn", reason="needs ctcasr[serve]")
    for options in (["--port", "0"], ["--queue", "-1"], ["--token", " "], ["--max-upload", "0"]):
        assert ctcasr("serve", "-m", tiny_bundle, *options).code == 2


@pytest.mark.slow
def test_a_process_listens_until_it_is_stopped(tiny_bundle: Path) -> None:
    httpx = pytest.importorskip("httpx")
    pytest.importorskip("uvicorn", reason="needs ctcasr[serve]")
    port = free_port()
    command = [sys.executable, "-m", "ctcasr.cli.main", "serve", "-m", str(tiny_bundle), "--port", str(port)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == f"listening at http://127.0.0.1:{port}; Ctrl-C ends\n"
        deadline = time.monotonic() + 60
        while True:
            try:
                health = httpx.get(f"http://127.0.0.1:{port}/health").json()
                break
            except httpx.ConnectError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert health["model"] == "tiny"
        second = subprocess.run(command, capture_output=True, text=True)
        assert second.returncode == 1
        assert second.stderr.splitlines()[-1].startswith(f"error: 127.0.0.1:{port} cannot be listened at")
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert out == ""
    assert "Traceback" not in error
