"""Keeps the groups of the roles as ``config.roles`` has them, whenever migrations have run."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission

from config.roles import ROLES, RoleRights

#: What the admin shows of nobody but admins: it would tell whom to attack.
ADMINS_ONLY = ("otp_*.*", "auth.*", "sessions.*")


def permissions_of(rights: RoleRights, known: Mapping[str, int]) -> set[int]:
    """Return the ids of the permissions, known as ``app.codename``, that the role has."""
    is_admin = "*" in rights.permissions
    return {
        id_
        for name, id_ in known.items()
        if any(fnmatchcase(name, pattern) for pattern in rights.permissions)
        and (is_admin or not any(fnmatchcase(name, pattern) for pattern in ADMINS_ONLY))
    }


def make_roles(**signal: object) -> None:
    """Make the groups of the roles and give them their permissions; runs after the migrations of the last app."""
    last = [one for one in apps.get_app_configs() if one.models_module][-1]
    if signal.get("app_config") is not last:
        return
    create_permissions(last, verbosity=0)
    rows = Permission.objects.values_list("content_type__app_label", "codename", "id")
    known = {f"{app}.{codename}": id_ for app, codename, id_ in rows}
    for name, rights in ROLES.items():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.set(permissions_of(rights, known))
