"""The second factor of staff in the admin: set it up, and show it when logging in."""

import base64
from io import BytesIO
from typing import Any

import django_otp
import qrcode
from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django_otp.plugins.otp_totp.models import TOTPDevice
from qrcode.image.svg import SvgPathImage
from unfold.widgets import UnfoldAdminTextInputWidget

from contexts.identity.gateways import new_recovery_codes
from contexts.identity.wiring import second_factors

admin.site.unregister(TOTPDevice)  # its pages would show the secrets of others

WRONG = "This code is not right, or it was used already. Wait for the next one, and try again."


class CodeForm(forms.Form):
    """Asks for a code."""

    code = forms.CharField(
        max_length=20,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "one-time-code", "autofocus": True}),
    )


def has_shown_enough(request: HttpRequest) -> bool:
    """Tell whether the password is enough for this person, or the second factor was shown in this session."""
    user: Any = request.user
    return user.is_verified() or not second_factors.is_wanted_of(user.pk)


@never_cache
@csrf_protect
def show_second_factor(request: HttpRequest) -> HttpResponse:
    """Ask for a code after the password was right."""
    user: Any = request.user
    if not (user.is_authenticated and user.is_active and user.is_staff):
        return HttpResponseRedirect(reverse("admin:login"))
    device = second_factors.device_of(user.pk)
    if device is None:
        return HttpResponseRedirect(reverse("admin:second_factor_set_up"))
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if second_factors.admits(user.pk, form.cleaned_data["code"]):
            django_otp.login(request, device)
            return HttpResponseRedirect(_where_next(request))
        form.add_error("code", WRONG)
    return _page(request, "identity/admin/second_factor.html", form=form, title="One more step")


@never_cache
@csrf_protect
def set_up_second_factor(request: HttpRequest) -> HttpResponse:
    """Show a secret for an authenticator app, and take its first code; then show the recovery codes, once."""
    user: Any = request.user
    if not (user.is_authenticated and user.is_active and user.is_staff):
        return HttpResponseRedirect(reverse("admin:login"))
    if second_factors.device_of(user.pk) is not None and not user.is_verified():
        return HttpResponseRedirect(reverse("admin:second_factor"))  # or a stolen password would replace the factor
    device = second_factors.device_to_confirm(user.pk)
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        codes = new_recovery_codes()
        if second_factors.confirm(device, code=form.cleaned_data["code"], recovery_codes=codes):
            django_otp.login(request, device)
            return _page(request, "identity/admin/recovery_codes.html", codes=codes, title="Recovery codes")
        form.add_error("code", WRONG)
    return _page(
        request,
        "identity/admin/second_factor_set_up.html",
        form=form,
        title="Set up a second factor",
        picture=_picture_of(device.config_url),
        secret=base64.b32encode(device.bin_key).decode(),
    )


def _page(request: HttpRequest, template: str, **context: Any) -> HttpResponse:
    shared = admin.site.each_context(request) | {"next": _where_next(request)}
    return TemplateResponse(request, template, {**shared, **context})


def _where_next(request: HttpRequest) -> str:
    """Return where the person wanted to go, as long as that is in here."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return wanted
    return reverse("admin:index")


def _picture_of(text: str) -> str:
    """Return the QR code as a data URL, so that the secret is in no other request."""
    stream = BytesIO()
    qrcode.make(text, image_factory=SvgPathImage, box_size=12).save(stream)
    return "data:image/svg+xml;base64," + base64.b64encode(stream.getvalue()).decode()
