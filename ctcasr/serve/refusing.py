"""Requests that are refused, as OpenAI's service words it, and limits on what is read of them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class RefusalError(Exception):
    """A request that is not answered: the HTTP status, and one sentence that says why and what to do."""

    def __init__(
        self, status: int, message: str, param: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.headers = status, message, param, headers

    def answer(self) -> JSONResponse:
        """Return the answer, of the shape that OpenAI's clients make an error of."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        error = {"message": self.message, "type": kind, "param": self.param, "code": None}
        return JSONResponse({"error": error}, self.status, headers=dict(self.headers or {}))


async def refuse(_request: Request, error: Exception) -> JSONResponse:
    """Answer a refusal."""
    assert isinstance(error, RefusalError)
    return error.answer()


def check_token(wanted: str | None, shown: str | None) -> None:
    """Raise RefusalError unless the client shows the token that is wanted.

    Args:
        wanted: the service's; none lets everybody in.
        shown: the header `Authorization`, or the token behind `Bearer `.
    """
    if wanted is None:
        return
    given = (shown or "").removeprefix("Bearer ").strip()
    # In constant time: how long it takes must not tell how many letters are right.
    if not secrets.compare_digest(given.encode("utf-8", "replace"), wanted.encode()):
        raise RefusalError(
            401,
            "the bearer token is missing or wrong; send the one that `ctcasr serve --token` was given",
            headers={"WWW-Authenticate": "Bearer"},
        )


class BodyLimit:
    """Refuse bodies of more than so many bytes, whether their header says so or they only come."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, counting what is read of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen, has_answered = 0, False

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._most:
                raise self._too_large()
            return message

        async def noted(message: Message) -> None:
            nonlocal has_answered
            has_answered = True
            await send(message)

        try:
            promised = dict(scope["headers"]).get(b"content-length", b"0")
            if promised.isdigit() and int(promised[:20]) > self._most:
                raise self._too_large()
            await self._app(scope, counted, noted)
        except RefusalError as refusal:
            if not has_answered:
                await refusal.answer()(scope, receive, send)

    def _too_large(self) -> RefusalError:
        return RefusalError(
            413,
            f"the request is larger than {self._most / 1e6:g} MB; send a compressed or a shorter file",
            "file",
            # What is left of the body is not read.
            {"Connection": "close"},
        )


__all__ = ["BodyLimit", "RefusalError", "check_token", "refuse"]
