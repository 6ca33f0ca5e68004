"""`ctcasr serve`: transcription over HTTP, live audio over a WebSocket, and a page."""

from __future__ import annotations

import sys

import typer

from ctcasr.cli.transcribe import Precision
from ctcasr.errors import ConfigError, CtcAsrError
from ctcasr.runtime import Recognizer


def command(
    model: str = typer.Option(None, "-m", "--model", help="Bundle: a folder, or a name inside the package."),
    host: str = typer.Option("127.0.0.1", help="Address to listen at; 0.0.0.0 lets other machines in."),
    port: int = typer.Option(8000, min=1, max=65535, help="Port to listen at."),
    token: str = typer.Option(
        None, envvar="CTCASR_TOKEN", help="Bearer token that clients have to show; default: none."
    ),
    precision: Precision = typer.Option(None, help="Network to run; default: int8 where there is one."),
    jobs: int = typer.Option(
        None, "-j", "--jobs", min=1, max=1024, help="Recordings at a time; default: one a processor."
    ),
    queue: int = typer.Option(256, min=0, help="Requests that may wait; further ones get status 503."),
    max_upload: float = typer.Option(100.0, min=0.001, help="Megabytes of one request."),
    time_limit: float = typer.Option(600.0, min=0.001, help="Seconds that one recording may take."),
) -> None:
    """Serve transcription: OpenAI's API, live audio, and a page for people.

    E.g. `ctcasr serve --port 8000`, and open http://127.0.0.1:8000.
    """
    try:
        import uvicorn

        from ctcasr.serve import ServeSettings, make_app
    except ImportError as error:
        raise ConfigError(
            f"serve needs FastAPI and uvicorn ({error.name} is missing); install them with "
            "`pip install 'ctcasr[serve]'`"
        ) from error
    wanted = {"jobs": jobs} if jobs else {}
    settings = ServeSettings(
        queue=queue, upload_megabytes=max_upload, work_seconds=time_limit, token=token, **wanted
    )
    app = make_app(Recognizer.load(model, precision.value if precision else None), settings)
    config = uvicorn.Config(
        app, host=host, port=port, log_level="warning", access_log=False, ws_max_size=2_000_000
    )
    server = uvicorn.Server(config)
    print(f"listening at http://{host}:{port}; Ctrl-C ends", file=sys.stderr, flush=True)
    try:
        server.run()
    except SystemExit as error:  # uvicorn's way to say that it could not begin
        raise CtcAsrError(f"{host}:{port} cannot be listened at; choose another --port or --host") from error
    except KeyboardInterrupt:
        return
