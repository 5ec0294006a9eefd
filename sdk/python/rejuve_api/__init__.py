"""Client of the Rejuve API."""

from .core import ApiError, paginate
from .generated import RejuveClient
from .webhooks import WebhookError, verify_webhook

__all__ = ["ApiError", "RejuveClient", "WebhookError", "paginate", "verify_webhook"]
