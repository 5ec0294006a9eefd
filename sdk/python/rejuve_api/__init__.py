"""Client of the Rejuve API."""

from . import types
from .core import ApiError, Event, paginate
from .generated import RejuveClient
from .webhooks import WebhookError, verify_webhook

__all__ = ["ApiError", "Event", "RejuveClient", "WebhookError", "paginate", "types", "verify_webhook"]
