"""Verification of webhooks (Standard Webhooks)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

_TOLERANCE_S = 5 * 60


class WebhookError(Exception):
    """The webhook is not from us, was changed, or is too old."""


def verify_webhook(secret: str, headers: Mapping[str, str], body: bytes, now: float | None = None) -> Any:
    """Verify the bytes as they came and answer the parsed body. Raises WebhookError."""
    lower = {name.lower(): value for name, value in headers.items()}
    try:
        identifier, timestamp = lower["webhook-id"], lower["webhook-timestamp"]
        signatures = lower["webhook-signature"].split(" ")
        age = abs((time.time() if now is None else now) - int(timestamp))
    except (KeyError, ValueError) as error:
        raise WebhookError("A webhook header is missing or malformed.") from error
    if age > _TOLERANCE_S:
        raise WebhookError("The webhook is too old, or from the future.")
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    mac = hmac.new(key, f"{identifier}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(mac).decode()
    if not any(hmac.compare_digest(one, expected) for one in signatures):
        raise WebhookError("The signature does not match.")
    return json.loads(body)
