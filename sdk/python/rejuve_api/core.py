"""What every operation goes through: credentials, idempotency, retries, errors."""

from __future__ import annotations

import base64
import json
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar
from http.client import IncompleteRead
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

_BASE_DELAY_S = 0.25
_MAX_DELAY_S = 8.0
# A longer wait is the caller's decision, not ours.
_MAX_RETRY_AFTER_S = 60.0
_RETRYABLE = {429, 502, 503, 504}
# Renew before the end, so that no request is refused on the way.
_RENEW_EARLY_S = 30.0


# A stream that the server ends at once and without news, when asked to go on after the last event, is over.
_OVER_WITHIN_S = 1.0
# The server sends a sign of life every 15 s; a connection without one for this long is dead.
_SILENCE_S = 60.0

T = TypeVar("T")


@dataclass(frozen=True)
class Event(Generic[T]):
    """One server-sent event, its data parsed."""

    id: str | None
    event: str
    data: T


class ApiError(Exception):
    """An answer that is not a success; `code` is stable, `retry` says what helps."""

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after: float | None) -> None:
        super().__init__(str(problem.get("detail", f"The API answered {status}")))
        self.status = status
        self.code = str(problem.get("code", "unknown"))
        self.retry = str(problem.get("retry", "never"))
        self.request_id = problem.get("requestId")
        self.errors = list(problem.get("errors", []))
        self.retry_after = retry_after


class Transport:
    """Sends requests.

    :param token: an API key or access token, or a function that yields a fresh one.
    :param client_credentials: (id, secret) of an OAuth client; its token is fetched and renewed by itself.
    :param max_retries: attempts after the first.
    :param timeout: seconds for one attempt.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | Callable[[], str] | None = None,
        client_credentials: tuple[str, str] | None = None,
        max_retries: int = 3,
        timeout: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._token_source = token
        self._client_credentials = client_credentials
        self._max_retries = max_retries
        self._timeout = timeout
        self._sleep = sleep
        self._granted: tuple[str, float] | None = None

    def _token(self) -> str | None:
        if callable(self._token_source):
            return self._token_source()
        if self._client_credentials is None:
            return self._token_source
        if self._granted is not None and self._granted[1] > time.monotonic():
            return self._granted[0]
        basic = base64.b64encode(":".join(self._client_credentials).encode()).decode()
        request = Request(
            f"{self._base_url}/v1/oauth/token",
            data=b"grant_type=client_credentials",
            headers={"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"},
            method="POST",
        )
        try:
            with urlopen(request, timeout=self._timeout) as answer:
                body = json.loads(answer.read())
        except HTTPError as error:
            raise ApiError(error.code, _problem(error), None) from error
        self._granted = (body["access_token"], time.monotonic() + body["expires_in"] - _RENEW_EARLY_S)
        return self._granted[0]

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        idempotent: bool = False,
        idempotency_key: str | None = None,
    ) -> Any:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        url = f"{self._base_url}{path}" + (f"?{urlencode(given)}" if given else "")
        headers = {"Accept": "application/json"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        if idempotent:
            headers["Idempotency-Key"] = idempotency_key or str(uuid.uuid4())
        # Without a key a repeated POST could act twice; reading, replacing and deleting cannot.
        repeatable = method != "POST" or idempotent
        attempt = 0
        while True:
            last = attempt >= self._max_retries or not repeatable
            token = self._token()
            if token is not None:
                headers["Authorization"] = f"Bearer {token}"
            try:
                request = Request(url, data=data, headers=headers, method=method)
                with urlopen(request, timeout=self._timeout) as answer:
                    text = answer.read()
                    return json.loads(text) if text else None
            except HTTPError as error:
                problem = _problem(error)
                wait = _retry_after(error.headers.get("Retry-After"))
                again = error.code in _RETRYABLE or problem.get("code") == "idempotency_in_progress"
                if last or not again or (wait or 0) > _MAX_RETRY_AFTER_S:
                    raise ApiError(error.code, problem, wait) from error
                self._sleep(wait if wait is not None else _backoff(attempt))
            except (URLError, TimeoutError, ConnectionError):
                if last:
                    raise
                self._sleep(_backoff(attempt))
            attempt += 1


    def _stream(self, path: str, last_event_id: str | None) -> Iterator[Event[Any]]:
        last = last_event_id
        failures = 0
        while True:
            started = time.monotonic()
            seen = 0
            headers = {"Accept": "text/event-stream"}
            token = self._token()
            if token is not None:
                headers["Authorization"] = f"Bearer {token}"
            if last is not None:
                headers["Last-Event-ID"] = last
            try:
                request = Request(f"{self._base_url}{path}", headers=headers, method="GET")
                with urlopen(request, timeout=_SILENCE_S) as answer:
                    for event in _events(answer):
                        last = event.id or last
                        seen += 1
                        failures = 0
                        yield event
            except HTTPError as error:
                wait = _retry_after(error.headers.get("Retry-After"))
                if error.code not in _RETRYABLE or failures >= self._max_retries:
                    raise ApiError(error.code, _problem(error), wait) from error
                failures += 1
                self._sleep(wait if wait is not None else _backoff(failures))
                continue
            except (URLError, TimeoutError, ConnectionError, IncompleteRead):
                if failures >= self._max_retries:
                    raise
                failures += 1
                self._sleep(_backoff(failures))
                continue
            if seen == 0 and last is not None and time.monotonic() - started < _OVER_WITHIN_S:
                return


def _events(lines: Any) -> Iterator[Event[Any]]:
    """Reads text/event-stream (HTML Living Standard, section 9.2.6)."""
    last_id: str | None = None
    name = "message"
    data: list[str] = []
    for raw in lines:
        line = raw.decode("utf-8").rstrip("\r\n")
        if line == "":
            if data:
                yield Event(last_id, name, json.loads("\n".join(data)))
            name, data = "message", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
        elif field == "id":
            last_id = value


def _problem(error: HTTPError) -> dict[str, Any]:
    try:
        parsed = json.loads(error.read())
        return parsed if isinstance(parsed, dict) else {}
    except ValueError:
        return {}


def _retry_after(header: str | None) -> float | None:
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _backoff(attempt: int) -> float:
    """Exponential with full jitter, so that many clients do not come back at once."""
    return random.random() * min(_MAX_DELAY_S, _BASE_DELAY_S * 2.0**attempt)


def paginate(read: Callable[..., Mapping[str, Any]], *args: Any, **kwargs: Any) -> Iterator[Any]:
    """Every item of a list, page after page: `for offer in paginate(client.list_partner_offers): ...`"""
    cursor: str | None = None
    while True:
        answer = read(*args, **kwargs, cursor=cursor)
        yield from answer["data"]
        cursor = answer["page"]["next"]
        if cursor is None:
            return
