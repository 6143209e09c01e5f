"""Settings of web pages: CORS, and hosts of the demo page."""

import re
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BeforeValidator, field_validator

from uploadsvc.domain.hosts import host_name
from uploadsvc.domain.origins import ANY, check_origin, shared_domain
from uploadsvc.settings.types import Names, Section, SettingsError, check, split_list

# A token of RFC 9110 section 5.6.2.
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")


def _host_names(hosts: tuple[str, ...]) -> tuple[str, ...]:
    found = []
    for host in hosts:
        # An IPv6 address may come without brackets.
        name = host_name(f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host)
        if name is None or host.rpartition("]")[2].count(":") == 1:
            message = (
                f"{host!r} is not a host; write names or addresses without scheme and port, "
                "such as demo.example.com"
            )
            raise ValueError(message)
        found.append(name)
    return tuple(dict.fromkeys(found))


Hosts = Annotated[tuple[str, ...], BeforeValidator(split_list), AfterValidator(_host_names)]
"""Names and addresses as `host_name` returns them."""


class CorsSettings(Section):
    """CORS of this API. The bucket needs [its own CORS rule](bucket.md)."""

    allow_origins: Names = ()
    """Origins such as `https://app.example.com` or `capacitor://localhost`, patterns such as
    `https://*.example.com` or `https://my-app-*.vercel.app` (the `*` stands for a part of the first label),
    or `*` for any origin.
    """

    allow_headers: Names = ()
    """Additional request headers that these pages send to this API and to the bucket. Headers that the API
    reads, and those of [common tracing libraries](bucket.md#cors), are always allowed.
    """

    allow_credentials: bool = False
    """Let pages of these origins send cookies. Not possible with `*`."""

    @field_validator("allow_headers")
    @classmethod
    def _check_headers(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name == ANY or not _HEADER_NAME.fullmatch(name):
                message = f"{name!r} is not a header; write names such as x-trace-id"
                raise ValueError(message)
        return tuple(dict.fromkeys(name.lower() for name in names))

    def refuse_shared_domains(self) -> None:
        """Reject patterns for domains such as ``vercel.app`` if browsers authenticate by cookie or proxy.

        Raises:
            SettingsError: There is such a pattern.
        """
        for origin in self.allow_origins:
            if domain := shared_domain(origin):
                message = (
                    f"anyone can have pages below {domain}, which browsers would sign in by cookie or proxy; "
                    f"name your own, as in https://my-app-*.{domain}"
                )
                raise SettingsError(("cors", "allow_origins"), message)

    @check
    def _check_origins(self) -> Self:
        if ANY in self.allow_origins and self.allow_credentials:
            message = "true with the origin '*' would let any site act for its visitors; name the origins"
            raise SettingsError(("cors", "allow_credentials"), message)
        for origin in self.allow_origins:
            try:
                check_origin(origin)
            except ValueError as error:
                raise SettingsError(("cors", "allow_origins"), str(error)) from None
        return self
