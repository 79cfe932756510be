"""A real PostgreSQL and a real Valkey for local work and tests, from wheels, without an installation.

Production sets DATABASE_URL and REDIS_URL and installs neither wheel; nothing here runs there.
"""

from shared.embedded.access import ThrowawayServers, ensure_urls, running_servers, throwaway_servers
from shared.embedded.errors import EmbeddedServerError, EmbeddedServersMissing
from shared.embedded.postgres import PostgresServer
from shared.embedded.servers import LocalServers
from shared.embedded.valkey import ValkeyServer

__all__ = [
    "EmbeddedServerError",
    "EmbeddedServersMissing",
    "LocalServers",
    "PostgresServer",
    "ThrowawayServers",
    "ValkeyServer",
    "ensure_urls",
    "running_servers",
    "throwaway_servers",
]
