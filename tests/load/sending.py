"""What all measurements share: orders that are sent, and what they cost."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from tempfile import TemporaryFile

from tests.journeys.orders import an_order
from tests.journeys.system import ROOT, System
from tests.load.http_load import Result, Template
from tests.load.server_interfaces import family_cpu, group_cpu


def load(
    system: System,
    templates: Sequence[Template],
    *,
    connections: int,
    seconds: float,
    token: str | None = None,
    **options: float,
) -> Result:
    """Have the load generator send the requests; fail when one is not answered with success."""
    told = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    whom = [str(system.port), token or system.api_key, str(connections), str(seconds)]
    with TemporaryFile("w+") as answer:  # after uvloop.run, what a pipe has no room for at once is lost
        subprocess.run(
            [sys.executable, "-m", "tests.load.http_load", *whom, *told],
            cwd=ROOT,
            input="\n".join(json.dumps(asdict(template)) for template in templates),
            stdout=answer,
            text=True,
            check=True,
        )
        answer.seek(0)
        result = Result(**json.load(answer))
    assert all(status.startswith("2") for status in result.statuses), result.statuses
    return result


def ordering(sku: str) -> Template:
    """Return a request for one unit."""
    return Template(method="POST", path="/api/v1/orders", body=json.dumps(an_order(sku)), keyed=True)


def ordering_basket(units: Mapping[str, int]) -> Template:
    """Return a request for so many units of each of these skus."""
    body = an_order("") | {"lines": [{"sku": sku, "quantity": quantity} for sku, quantity in units.items()]}
    return Template(method="POST", path="/api/v1/orders", body=json.dumps(body), keyed=True)


def keep_in_stock(system: System) -> None:
    """See to it that nothing runs out."""
    system.query("UPDATE inventory_stock_item SET backorder_limit = 100000000 RETURNING 1")


def skus_of(system: System, *, most: int = 60) -> list[str]:
    """Return skus that there are, always the same ones first."""
    return [sku for (sku,) in system.query("SELECT DISTINCT sku FROM inventory_stock_item ORDER BY sku LIMIT %s", most)]


def cpu_of(system: System) -> float:
    """Return the seconds of CPU that the server and PostgreSQL have used."""
    return group_cpu(system.processes["web"].pid) + database_cpu(system)


def database_cpu(system: System) -> float:
    """Return the seconds of CPU that PostgreSQL's living processes have used."""
    postmaster = int((system.directory / "servers/postgres/data/postmaster.pid").read_text().split()[0])
    return family_cpu(postmaster)
