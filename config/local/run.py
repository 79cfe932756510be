"""The steps of `make run`, from nothing to a banner, and back."""

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

from honcho.environ import parse_procfile

from config.local.checkout import CannotRun, Checkout
from config.local.checks import check_disk, check_port, wanted_port
from config.local.progress import Progress
from config.local.readiness import ReadinessProbe
from config.local.state import stop_leftovers, the_only_run
from config.local.supervisor import PSP, StopRequest, Supervisor
from shared.embedded.directory import prepare
from shared.embedded.files import LOOPBACK, free_port, read_or_empty
from shared.embedded.reaper import Reaper
from shared.embedded.servers import BOTH, LocalServers

LOCAL_PROCESSES = ("web", "worker", "relay", "beat", "webhooks")
STEPS = (("Applying migrations", "migrate --noinput"), ("Filling in the demo data", "seed"))
SIMULATOR = "python -m contexts.payments.simulator --host {host} --port {port} --ledger {ledger}"
SIMULATOR_URL = "PSP_SIMULATOR_URL"
OPERATOR = "operator@example.com / orderly-demo"


def run(*, checkout: Checkout, environment: Mapping[str, str], output: TextIO) -> int:
    """Bring the system up, watch it until Ctrl-C, and leave nothing behind; return the exit status.

    Raises CannotRun and EmbeddedServerError with what to do next.
    """
    stop = StopRequest()
    stop.listen()
    progress = Progress(output=output)
    port = wanted_port(environment)
    progress.say("Orderly, on this machine:")
    prepare(checkout.data_dir)
    with the_only_run(checkout):
        with progress.step("Checking port, disk and leftovers"):
            left = stop_leftovers(checkout)
            check_disk(checkout.root)
            check_port(port, host=environment.get("WEB_HOST") or LOOPBACK)
        if left:
            progress.say(f"  (stopped what a killed run had left behind: {', '.join(left)})")
        with _servers(checkout, environment=environment, progress=progress) as urls:
            full = _environment(checkout, environment=environment, urls=urls, port=port)
            supervisor = Supervisor(checkout=checkout, port=port, output=output, stop=stop)
            _run_processes(supervisor=supervisor, checkout=checkout, environment=full, progress=progress, stop=stop)
    progress.say("Stopped; nothing was left running.")
    return 0


@contextlib.contextmanager
def _servers(checkout: Checkout, *, environment: Mapping[str, str], progress: Progress) -> Iterator[Mapping[str, str]]:
    """Give the URLs that the environment lacks, of servers in the data directory."""
    last_will = ("config.local", "--root", str(checkout.root), "sweep")
    absent = [name for name in BOTH if not environment.get(name)]
    if not absent:
        reaper = Reaper(module=last_will[0], arguments=last_will[1:])
        try:
            yield {}
        finally:
            reaper.dismiss()
        return
    servers = LocalServers(directory=checkout.data_dir)
    with progress.step("Starting PostgreSQL and Valkey"):
        lease = servers.acquire(purpose="make run", urls=absent, last_will=last_will)
    try:
        yield lease.urls
    finally:
        with progress.step("Stopping PostgreSQL and Valkey"):
            lease.release()
        for holder in servers.used_by():
            progress.say(f"  (they stay up: `{holder.purpose}`, process {holder.process.pid}, uses them)")


def _environment(
    checkout: Checkout, *, environment: Mapping[str, str], urls: Mapping[str, str], port: int
) -> dict[str, str]:
    """Return the environment of the processes: the caller's own, completed."""
    defaults = {
        "DJANGO_SETTINGS_MODULE": "config.settings.dev",
        "WEB_HOST": LOOPBACK,
        "DATA_DIRECTORY": str(checkout.data_dir),
        "PROMETHEUS_MULTIPROC_DIR": str(_emptied(checkout.data_dir / "metrics")),
        "BEAT_SCHEDULE": str(checkout.data_dir / "beat-schedule"),
        "CELERY_LOGLEVEL": "warning",
        "WEB_DRAIN_SECONDS": "3",
        "WEB_NOTICE_SECONDS": "0",
        "PYTHONUNBUFFERED": "1",
    }
    simulator = f"http://{LOOPBACK}:{free_port()}"
    programs = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', os.defpath)}"
    return {**defaults, **environment, **urls, "PORT": str(port), "PATH": programs, SIMULATOR_URL: simulator}


def _emptied(directory: Path) -> Path:
    """Make the directory, or empty it of what the processes of the last run have counted."""
    directory.mkdir(exist_ok=True)
    for file in directory.glob("*.db"):
        file.unlink()
    return directory


def _run_processes(
    *,
    supervisor: Supervisor,
    checkout: Checkout,
    environment: Mapping[str, str],
    progress: Progress,
    stop: StopRequest,
) -> None:
    try:
        for title, action in STEPS:
            if not stop:
                with progress.step(title):
                    command = f"python manage.py {action}"
                    supervisor.run_to_end(name=action.split()[0], command=command, environment=environment)
        if not stop:
            with progress.step("Starting the processes"):
                supervisor.start(commands=_commands(checkout, environment), environment=environment)
                _wait(supervisor, environment)
        if not stop:
            progress.say(_banner(checkout, port=environment["PORT"], seconds=progress.seconds))
        supervisor.watch()
    finally:
        progress.say("")
        with progress.step("Stopping the processes"):
            supervisor.stop_all()


def _wait(supervisor: Supervisor, environment: Mapping[str, str]) -> None:
    probe = ReadinessProbe(host=_reachable(environment["WEB_HOST"]), port=int(environment["PORT"]))
    try:
        supervisor.wait_until_ready(probe)
    finally:
        probe.stop()


def _commands(checkout: Checkout, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the Procfile's long-running processes and the PSP simulator."""
    listed = parse_procfile(checkout.procfile.read_text()).processes
    missing = [name for name in LOCAL_PROCESSES if name not in listed]
    if missing:
        raise CannotRun(f"{checkout.procfile} does not tell how to start {', '.join(missing)}.")
    simulator = urlsplit(environment[SIMULATOR_URL])
    ledger = shlex.quote(str(checkout.data_dir / "psp.sqlite3"))
    command = SIMULATOR.format(host=simulator.hostname, port=simulator.port, ledger=ledger)
    return {name: listed[name] for name in LOCAL_PROCESSES} | {PSP: command}


def _reachable(host: str) -> str:
    return LOOPBACK if host in ("0.0.0.0", "::", "") else host  # noqa: S104  (compared, not bound)


def _banner(checkout: Checkout, *, port: str, seconds: float) -> str:
    base = f"http://localhost:{port}"
    key = read_or_empty(checkout.api_key) or f"(none: {checkout.api_key} is absent)"
    return f"""
Orderly is up after {seconds:.1f} s.

  Shop API          {base}/api/v1/
  its documentation {base}/api/v1/docs
  Operator API      {base}/api/ops/v1/docs
  Admin             {base}/admin/
  Operator login    {OPERATOR}
  Shop API key      {key}

Ctrl-C stops everything.
"""
