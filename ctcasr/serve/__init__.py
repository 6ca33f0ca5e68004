"""The service: transcription over HTTP as OpenAI's clients ask for it, live audio over a WebSocket, and a page."""

from ctcasr.serve.app import make_app
from ctcasr.serve.settings import ServeSettings

__all__ = ["ServeSettings", "make_app"]
