"""Request bodies and query strings as tables: Param rows that live from a microversion to another, compiled once a version into a validator."""
import base64
import binascii
import functools
import ipaddress
import re
import unicodedata
import uuid
from dataclasses import dataclass
from typing import Any

import jsonschema

from nova_lite import clock, exception
from nova_lite.api import microversions

CHECKER = jsonschema.FormatChecker(formats=())


def _format(name: str, errors: tuple = (ValueError,)):
    return CHECKER.checks(name, raises=errors)


@_format("uuid")
def _is_uuid(value: Any) -> bool:
    return not isinstance(value, str) or str(uuid.UUID(value)).replace("-", "") == value.replace("-", "").lower().strip("{}")


@_format("ipv4")
def _is_ipv4(value: Any) -> bool:
    return not isinstance(value, str) or bool(ipaddress.IPv4Address(value))


@_format("ipv6")
def _is_ipv6(value: Any) -> bool:
    return not isinstance(value, str) or ipaddress.IPv6Address(value) is not None


@_format("ip")
def _is_ip(value: Any) -> bool:
    return not isinstance(value, str) or ipaddress.ip_address(value) is not None


@_format("cidr")
def _is_cidr(value: Any) -> bool:
    return not isinstance(value, str) or ("/" in value and ipaddress.ip_network(value, strict=False) is not None)


@_format("base64", (ValueError, binascii.Error))
def _is_base64(value: Any) -> bool:
    if isinstance(value, str):
        base64.b64decode("".join(value.split()).encode("ascii"), validate=True)
    return True


@_format("date-time")
def _is_moment(value: Any) -> bool:
    return not isinstance(value, str) or clock.parse(value) is not None


@_format("regex", (re.error,))
def _is_regex(value: Any) -> bool:
    return not isinstance(value, str) or re.compile(value) is not None


@_format("name")
def _is_name(value: Any) -> bool:
    # What Nova calls a valid name: printable characters, no white space at either end.
    return not isinstance(value, str) or (value.strip() == value and bool(value) and _printable(value))


@_format("name_with_spaces")
def _is_name_with_spaces(value: Any) -> bool:
    return not isinstance(value, str) or (bool(value.strip()) and _printable(value))


@_format("az_name")
def _is_az_name(value: Any) -> bool:
    return _is_name(value) and (not isinstance(value, str) or ":" not in value)


@_format("printable")
def _is_printable(value: Any) -> bool:
    return not isinstance(value, str) or _printable(value)


def _printable(text: str) -> bool:
    # Unlike str.isprintable: every kind of space is allowed, line breaks are not.
    return all(category == "Zs" or category[0] not in "CZ" for category in map(unicodedata.category, text))


@dataclass(frozen=True)
class Param:
    """One field of a body or one query parameter. ``since``/``until``: first and last microversion that have it."""

    name: str
    schema: dict
    since: str | None = None
    until: str | None = None
    required: bool = False
    pattern: bool = False
    """``name`` is a regular expression over field names."""


@dataclass(frozen=True)
class Body:
    """A JSON body ``{root: {params}}``; ``root`` None: the params stand at the top. ``beside``: params next to the root.

    ``schema`` replaces the table for a root that is no object (``{"os-start": null}``). ``extra`` admits unknown fields; ``rules``: further
    JSON schema keywords of the root object (anyOf, dependencies).
    """

    root: str | None
    params: tuple[Param, ...] = ()
    beside: tuple[Param, ...] = ()
    schema: dict | None = None
    extra: bool = False
    rules: dict | None = None

    def json_schema(self, version: tuple[int, int] | None) -> dict:
        """The JSON schema of the whole body at ``version``."""
        inner = self.schema if self.schema is not None else _object(self.params, version, self.extra, self.rules)
        if self.root is None:
            return inner
        outer = _object(self.beside, version, False, None)
        outer["properties"][self.root] = inner
        outer["required"] = [self.root, *outer.get("required", [])]
        return outer

    def validate(self, value: Any, version: tuple[int, int] | None) -> None:
        """Raises Invalid, naming the field."""
        _check(_validator(self, version), value)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other) -> bool:
        return self is other


@dataclass(frozen=True)
class Query:
    """A query string. Unknown parameters are dropped until ``strict_since`` and refused from then on (None: they always pass)."""

    params: tuple[Param, ...] = ()
    strict_since: str | None = None

    def validate(self, values: dict[str, list[str]], version: tuple[int, int] | None) -> dict[str, list[str]]:
        """``values``: each name's list of strings. Returns those that exist at ``version``. Raises Invalid, naming the parameter."""
        validator = _validator(self, version)
        error = next(iter(sorted(validator.iter_errors(values), key=lambda e: list(map(str, e.path)))), None)
        if error is None:
            if self.strict_since is None:
                return values
            rows = alive(self.params, version)
            return {name: texts for name, texts in values.items()
                    if any(re.search(p.name, name) if p.pattern else p.name == name for p in rows)}
        if not error.path:
            raise exception.Invalid(error.message)
        name = error.path[0]
        shown = error.instance if isinstance(error.instance, str) else values[name][-1]
        raise exception.Invalid(f"Invalid input for query parameters {name}. Value: {shown}. {error.message}")

    def json_schema(self, version: tuple[int, int] | None) -> dict:
        """The schema of ``{name: [values]}`` at ``version``."""
        wrapped = tuple(Param(p.name, {"type": "array", "items": p.schema}, p.since, p.until, p.required, p.pattern) for p in self.params)
        strict = self.strict_since is not None and (version is None or microversions.within(version, self.strict_since, None))
        return _object(wrapped, version, not strict, None)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other) -> bool:
        return self is other


def alive(rows, version: tuple[int, int] | None) -> list:
    """The rows of a table that exist at ``version`` (None: a service without microversions)."""
    return [row for row in rows if version is None or microversions.within(version, row.since, row.until)]


def _object(params, version, extra: bool, rules: dict | None) -> dict:
    rows = alive(params, version)
    schema: dict = {"type": "object", "properties": {p.name: p.schema for p in rows if not p.pattern}, "additionalProperties": extra}
    patterns = {p.name: p.schema for p in rows if p.pattern}
    if patterns:
        schema["patternProperties"] = patterns
    required = [p.name for p in rows if p.required]
    if required:
        schema["required"] = required
    return {**schema, **(rules or {})}


@functools.cache
def _validator(table: Body | Query, version: tuple[int, int] | None):
    schema = table.json_schema(version)
    return _Validator(schema, format_checker=CHECKER)


def _bound(keyword: str):
    # A number may come as a string, from a query or from clients that quote them; its bounds hold all the same.
    plain = jsonschema.Draft4Validator.VALIDATORS[keyword]

    def check(validator, bound, value, schema):
        if isinstance(value, str):
            try:
                value = int(value)
            except ValueError:
                return
        yield from plain(validator, bound, value, schema)
    return check


_Validator = jsonschema.validators.extend(jsonschema.Draft4Validator, {name: _bound(name) for name in ("minimum", "maximum")})


def _check(validator, value: Any) -> None:
    error = jsonschema.exceptions.best_match(validator.iter_errors(value), key=_relevance)
    if error is None:
        return
    if not error.path:
        raise exception.Invalid(error.message)
    path = "/".join(str(part) for part in error.path)
    shown = str(error.instance)
    raise exception.Invalid(f"Invalid input for field/attribute {path}. Value: {shown[:1000]}. {error.message[:1000]}")


def _relevance(error) -> tuple:
    return (-len(error.path), error.validator not in ("anyOf", "oneOf"))
