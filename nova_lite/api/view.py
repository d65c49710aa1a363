"""Responses as tables: Field rows that live from a microversion to another; a View renders one thing at one version."""
import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nova_lite.api import microversions

OMIT = object()
"""A value function's answer for a key that this thing does not have."""


@dataclass(frozen=True)
class Field:
    """One key of a response. ``value``: an attribute's name (dots lead on), or a function of (thing, request).

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
        self._alive = functools.lru_cache(maxsize=256)(self._at)

    def _at(self, version) -> tuple[Field, ...]:
        return tuple(f for f in self.fields if version is None or microversions.within(version, f.since, f.until))

    def names(self, version) -> list[str]:
        """The keys of a response at ``version``."""
        return [field.name for field in self._alive(version)]

    def render(self, thing: Any, request) -> dict:
        """The thing as the API shows it at the request's version."""
        return self.renderer(request)(thing)

    def renderer(self, request) -> Callable[[Any], dict]:
        """A function that renders one thing after the other for this request: which fields there are is decided once."""
        fields = [field for field in self._alive(request.version) if field.policy is None or request.can(field.policy)]
        plain = [field for field in fields if not callable(field.value)]
        made = [(field.name, field.value) for field in fields if callable(field.value)]
        names = [field.name for field in plain]
        # One call in C for all attributes; attrgetter gives no tuple for a single one.
        read = operator.attrgetter(*[field.value for field in plain]) if plain else None
        single = len(plain) == 1

        def render(thing: Any) -> dict:
            shown = {} if read is None else {names[0]: read(thing)} if single else dict(zip(names, read(thing), strict=True))
            for name, value in made:
                result = value(thing, request)
                if result is not OMIT:
                    shown[name] = result
            return shown
        return render
