"""`make reset`: local data away, if they are ours and nobody uses them."""

from config.local.checkout import CannotRun, Checkout
from config.local.state import stop_leftovers, the_only_run
from shared.embedded.directory import is_ours, remove
from shared.embedded.servers import LocalServers


def reset(checkout: Checkout) -> str:
    """Remove the local data and return what was done; raise CannotRun while something uses them."""
    if not checkout.data_dir.exists():
        return f"Nothing to remove: there is no {checkout.data_dir}."
    if is_ours(checkout.data_dir):
        with the_only_run(checkout):
            stop_leftovers(checkout)
            servers = LocalServers(directory=checkout.data_dir)
            servers.sweep()
            users = [f"`{holder.purpose}` (process {holder.process.pid})" for holder in servers.used_by()]
            if users:
                raise CannotRun(f"The local servers are in use by {', '.join(users)}: end that first.")
            remove(checkout.data_dir)
    else:
        remove(checkout.data_dir)
    return f"Removed {checkout.data_dir}."


def sweep(checkout: Checkout) -> None:
    """Clean up behind a `make run` that was killed, unless the next one is at it already."""
    if not is_ours(checkout.data_dir):
        return
    try:
        with the_only_run(checkout, role="sweep"):
            stop_leftovers(checkout)
            LocalServers(directory=checkout.data_dir).sweep()
    except CannotRun:
        return
