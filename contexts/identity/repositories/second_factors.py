"""Second factors in PostgreSQL: TOTP by django-otp (RFC 6238), and recovery codes of which only digests are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django_otp.plugins.otp_totp.models import TOTPDevice

from contexts.identity.models import RecoveryCodeRow

DEVICE_NAME = "authenticator"


@dataclass(frozen=True, slots=True)
class OtpSecondFactors:
    """The port SecondFactors. Wrong codes cost a wait that doubles, as django-otp's devices have it."""

    def is_wanted_of(self, account_id: UUID) -> bool:
        """Tell whether a member of staff has to show a second factor: because there is one, or all must have one."""
        return settings.SECOND_FACTOR_ENFORCED or self.device_of(account_id) is not None

    def admits(self, account_id: UUID, code: str) -> bool:
        """Tell whether the code is the present one of the account's device, or a recovery code, which is spent."""
        with transaction.atomic():
            device = self.device_of(account_id, lock=True)
            if device is None:
                return False
            cleaned = code.replace(" ", "").replace("-", "").lower()
            if cleaned.isdigit():
                return bool(device.verify_token(cleaned))
            return self._spends(device, cleaned)

    def device_of(self, account_id: UUID, *, lock: bool = False) -> TOTPDevice | None:
        """Return the device that was set up, if one was; locked, so that one code lets in once."""
        devices = TOTPDevice.objects.filter(user_id=account_id, confirmed=True)
        return (devices.select_for_update() if lock else devices).first()

    def device_to_confirm(self, account_id: UUID) -> TOTPDevice:
        """Return the device that waits for its first code; a new one, unless one waits already."""
        device, _ = TOTPDevice.objects.get_or_create(
            user_id=account_id, confirmed=False, defaults={"name": DEVICE_NAME}
        )
        return device

    def confirm(self, device: TOTPDevice, *, code: str, recovery_codes: Sequence[str]) -> bool:
        """Make the device the account's only one when the code is its own; store the digests of new recovery codes."""
        with transaction.atomic():
            if not device.verify_token(code.replace(" ", "")):
                return False
            TOTPDevice.objects.filter(user_id=device.user_id).exclude(pk=device.pk).delete()
            device.confirmed = True
            device.save(update_fields=["confirmed"])
            RecoveryCodeRow.objects.filter(account_id=device.user_id).delete()
            RecoveryCodeRow.objects.bulk_create(
                RecoveryCodeRow(account_id=device.user_id, digest=_digest_of(device.user_id, each))
                for each in recovery_codes
            )
        return True

    def remove(self, account_id: UUID) -> bool:
        """Take the second factor away; tell whether there was one."""
        with transaction.atomic():
            RecoveryCodeRow.objects.filter(account_id=account_id).delete()
            return bool(TOTPDevice.objects.filter(user_id=account_id).delete()[0])

    def _spends(self, device: TOTPDevice, code: str) -> bool:
        may_try, _ = device.verify_is_allowed()
        unused = RecoveryCodeRow.objects.filter(
            account_id=device.user_id, digest=_digest_of(device.user_id, code), used_at=None
        )
        if may_try and unused.update(used_at=timezone.now()):
            device.throttle_reset()
            return True
        if may_try:
            device.throttle_increment()
        return False


def _digest_of(account_id: UUID, code: str) -> str:
    cleaned = code.replace("-", "").lower()
    return str(salted_hmac("identity.recovery_code", f"{account_id}{cleaned}", algorithm="sha256").hexdigest())
