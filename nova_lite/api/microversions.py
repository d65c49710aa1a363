"""Microversions: parsing, negotiation, and the rows' ``since``/``until`` as comparable values.

Negotiation follows the API Microversion Guideline of the OpenStack API SIG: ``OpenStack-API-Version: <service> X.Y`` (or ``latest``), and for
Compute the older ``X-OpenStack-Nova-API-Version``.
"""
import functools
import re

from nova_lite import exception

_FORM = re.compile(r"^([1-9]\d*)\.([1-9]\d*|0)$")


class NotAcceptable(exception.NovaLiteError):
    """A microversion that this endpoint does not speak."""
    status = 406
    message = "Version {version} is not supported by the API. Minimum is {minimum} and maximum is {maximum}."


@functools.cache
def parse(text: str) -> tuple[int, int]:
    """``"2.15"`` → ``(2, 15)``. Raises Invalid."""
    match = _FORM.match(text)
    if not match:
        raise exception.Invalid(f"API Version String {text} is of invalid format. Must be of format MajorNum.MinorNum.")
    return int(match[1]), int(match[2])


def within(version: tuple[int, int], since: str | None, until: str | None) -> bool:
    """Whether a row that lives from ``since`` to ``until`` (both inclusive, None is open) exists at ``version``."""
    return (since is None or version >= parse(since)) and (until is None or version <= parse(until))


class Negotiator:
    """One service's range. ``name`` is the service type in the header; ``legacy_header`` an older header of the same meaning."""

    def __init__(self, name: str, minimum: str, maximum: str, legacy_header: str | None = None):
        self.name, self.minimum, self.maximum, self.legacy_header = name, minimum, maximum, legacy_header

    def negotiate(self, headers) -> tuple[int, int]:
        """The version that the request asks for; the minimum when it asks for none. Raises Invalid and NotAcceptable."""
        asked = self._asked(headers)
        if asked is None:
            return parse(self.minimum)
        if asked == "latest":
            return parse(self.maximum)
        version = parse(asked)
        if not parse(self.minimum) <= version <= parse(self.maximum):
            raise NotAcceptable(version=asked, minimum=self.minimum, maximum=self.maximum)
        return version

    def _asked(self, headers) -> str | None:
        for part in headers.get("OpenStack-API-Version", "").split(","):
            words = part.split()
            if len(words) == 2 and words[0].lower() == self.name:
                return words[1]
        if self.legacy_header:
            return headers.get(self.legacy_header) or None
        return None

    def response_headers(self, version: tuple[int, int]) -> dict[str, str]:
        """What every answer says about the version that it is in."""
        text = f"{version[0]}.{version[1]}"
        headers = {"OpenStack-API-Version": f"{self.name} {text}", "Vary": "OpenStack-API-Version"}
        if self.legacy_header:
            headers[self.legacy_header] = text
            headers["Vary"] += f", {self.legacy_header}"
        return headers
