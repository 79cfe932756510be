"""Django's middleware for browsers, which steps aside for the client API: its callers send tokens, no cookies."""

from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin

CLIENT_API = "/api/v1/"


class _ForBrowsers(MiddlewareMixin):
    def __call__(self, request: HttpRequest) -> Any:
        if request.path_info.startswith(CLIENT_API):
            return self.get_response(request)
        return super().__call__(request)


class Sessions(_ForBrowsers, SessionMiddleware):
    """Sessions of browsers."""


class Users(_ForBrowsers, AuthenticationMiddleware):
    """The user of a browser's session."""


class Messages(_ForBrowsers, MessageMiddleware):
    """Messages to the user of a browser's session."""
