"""What webhooks reaches outside: the endpoints, their owners' mailboxes, and identity, which knows the owners."""

from contexts.webhooks.gateways.keys import IdentityKeys
from contexts.webhooks.gateways.mail import DjangoMailer
from contexts.webhooks.gateways.sending import HttpSender

__all__ = ["DjangoMailer", "HttpSender", "IdentityKeys"]
