"""What webhooks reaches outside: the endpoints, and their owners' mailboxes."""

from contexts.webhooks.gateways.mail import DjangoMailer
from contexts.webhooks.gateways.sending import HttpSender

__all__ = ["DjangoMailer", "HttpSender"]
