"""Mail by the backend that Django's settings name."""

from email.utils import parseaddr
from smtplib import SMTPException, SMTPRecipientsRefused

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from contexts.webhooks.domain import Endpoint
from shared.domain.errors import ExternalAPIError
from shared.resilience.guard import outside_transactions

TEMPLATE = "webhooks/mail/endpoint_disabled.txt"

_log = structlog.get_logger(__name__)


class MailNotAccepted(ExternalAPIError):
    """The mail server does not take our mail at the moment; it is tried again."""


class DjangoMailer:
    """Sends what the template says: the first line is the subject."""

    @outside_transactions
    def tell_disabled(self, endpoint: Endpoint, *, key: str) -> None:
        """Mail the endpoint's owner, or raise MailNotAccepted; the key becomes the Message-ID (RFC 5322, 3.6.4)."""
        text = render_to_string(TEMPLATE, {"endpoint": endpoint, "shop": settings.SHOP_NAME})
        subject, _, body = text.partition("\n")
        host = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
        message = EmailMessage(
            subject=subject.strip(),
            body=body.strip() + "\n",
            to=[endpoint.email],
            headers={"Message-ID": f"<{key}@{host}>", "Auto-Submitted": "auto-generated"},
        )
        try:
            message.send()
        except SMTPRecipientsRefused:
            _log.warning("mail_refused_for_good", endpoint_id=str(endpoint.id), message_id=key)
        except (SMTPException, OSError):  # its text may name the address
            raise MailNotAccepted from None
