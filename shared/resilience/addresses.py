"""Which IP addresses belong to the public internet, whatever the version of Python thinks of them.

The tables are IANA's special-purpose address registries (RFC 6890; state of 2026) and the two addresses at which
clouds answer their guests from outside of them.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address

_NOT_PUBLIC: Final = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers; also the metadata of Alibaba Cloud
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # the host of a virtual machine in Azure
        "169.254.0.0/16",  # link-local; also the metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; also the metadata of Oracle Cloud
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # multicast tunnels
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "2001::/23",  # protocol assignments; also Teredo, which carries IPv4 addresses
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which carries IPv4 addresses
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
#: All that is handed out of IPv6. Outside are loopback, mapped and compatible IPv4, NAT64, unique local, link-local
#: and multicast addresses.
_GLOBAL_UNICAST: Final = ip_network("2000::/3")


def is_public(text: str) -> bool:
    """Tell whether the address is one that anybody on the internet may reach; what is no address is not."""
    address = _parsed(text)
    if address is None or (address.version == 6 and address not in _GLOBAL_UNICAST):
        return False
    return not any(address in network for network in _NOT_PUBLIC)


def is_loopback(text: str) -> bool:
    """Tell whether the address is this very machine."""
    address = _parsed(text)
    return address is not None and address.is_loopback


def _parsed(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
