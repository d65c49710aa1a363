"""Responses as tables: Field rows that live from a microversion to another; a View renders one thing at one version."""
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nova_lite.api import microversions

OMIT = object()
"""A value function's answer for a key that this thing does not have."""


@dataclass(frozen=True)
class Field:
    """One key of a response. ``value``: an attribute's name, or a function of (thing, request).

    ``policy``: a rule that the caller must pass to see it.
    """

    name: str
    value: str | Callable[[Any, Any], Any]
    since: str | None = None
    until: str | None = None
    policy: str | None = None


class View:
    """An ordered table of Fields."""

    def __init__(self, *fields: Field):
        self.fields = fields
        self._compiled = functools.lru_cache(maxsize=256)(self._compile)

    def _compile(self, version) -> tuple:
        rows = [f for f in self.fields if version is None or microversions.within(version, f.since, f.until)]
        return tuple((f.name, f.value if callable(f.value) else _attribute(f.value), f.policy) for f in rows)

    def names(self, version) -> list[str]:
        """The keys of a response at ``version``."""
        return [name for name, _, _ in self._compiled(version)]

    def render(self, thing: Any, request) -> dict:
        """The thing as the API shows it at the request's version."""
        shown = {}
        for name, value, policy in self._compiled(request.version):
            if policy is None or request.can(policy):
                result = value(thing, request)
                if result is not OMIT:
                    shown[name] = result
        return shown


def _attribute(name: str) -> Callable[[Any, Any], Any]:
    return lambda thing, _request: getattr(thing, name)
