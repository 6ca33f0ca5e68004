"""A service in a thread of this process, at a port of its own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs ctcasr[serve]")
uvicorn = pytest.importorskip("uvicorn", reason="needs ctcasr[serve]")

from ctcasr.runtime import Recognizer, find_bundle  # noqa: E402
from ctcasr.serve import ServeSettings, make_app  # noqa: E402

SAMPLE = find_bundle("an4").parent / "sample.wav"


@contextmanager
def run_service(recognizer: Recognizer, settings: ServeSettings | None = None) -> Iterator[str]:
    """Serve, and give the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = uvicorn.Config(
        make_app(recognizer, settings), "127.0.0.1", port, log_level="critical", ws="websockets-sansio"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.fixture(scope="session")
def recognizer() -> Recognizer:
    return Recognizer.load("an4")


@pytest.fixture(scope="session")
def address(recognizer: Recognizer) -> Iterator[str]:
    """The address of a service of the bundled model."""
    with run_service(recognizer, ServeSettings(upload_megabytes=1.0, jobs=2, idle_seconds=5.0)) as found:
        yield found


@pytest.fixture(scope="session")
def spoken() -> str:
    """What is said in the sample."""
    return (SAMPLE.parent / "sample.txt").read_text().strip()


@pytest.fixture(scope="session")
def sample() -> Path:
    return SAMPLE


@pytest.fixture(scope="session")
def serving() -> Callable[..., AbstractContextManager[str]]:
    """Serve with settings of one's own; gives the address."""
    return run_service
