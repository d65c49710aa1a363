"""Quotas: how much of what a project or user may have, counted exactly, in the transaction that changes what is counted.

A limit is the first found of: the user's in the project, the project's, the ``default`` class's, the configured one. -1 is unlimited.
"""
import math
from dataclasses import dataclass

from nova_lite import exception
from nova_lite.db import quotas

SERVER_RESOURCES = ("instances", "cores", "ram")
DEFAULT_CLASS = "class:default"


@dataclass(frozen=True)
class Limits:
    """What holds for a project, and what holds for a user in it beyond that; ``of_user`` has only the user's own rows."""

    of_project: dict[str, int]
    of_user: dict[str, int]

    @property
    def effective(self) -> dict[str, int]:
        """The limits as the API shows them: the user's own before the project's."""
        return {**self.of_project, **self.of_user}


def user_scope(project_id: str, user_id: str) -> str:
    """The scope of a user's own limits in a project."""
    return f"{project_id}/{user_id}"


def limits(tx, project_id: str, user_id: str | None, defaults: dict[str, int]) -> Limits:
    """The limits in force. ``defaults``: the configured ones, by resource. One statement."""
    scopes = _scopes(project_id, user_id)
    return _limits(scopes, quotas.list_limits(tx, scopes), defaults)


def class_limits(tx, name: str, defaults: dict[str, int]) -> dict[str, int]:
    """The limits of a class: its own before ``defaults``."""
    scope = f"class:{name}"
    return {**defaults, **quotas.list_limits(tx, [scope])[scope]}


def _scopes(project_id: str, user_id: str | None) -> list[str]:
    return [DEFAULT_CLASS, project_id] + ([user_scope(project_id, user_id)] if user_id is not None else [])


def _limits(scopes: list[str], found: dict[str, dict[str, int]], defaults: dict[str, int]) -> Limits:
    stored = {**found[scopes[0]], **found[scopes[1]]}
    return Limits({resource: stored.get(resource, default) for resource, default in defaults.items()}, found[scopes[2]] if scopes[2:] else {})


def take(tx, project_id: str, user_id: str, amounts: dict[str, int], defaults: dict[str, int]) -> None:
    """Count ``amounts`` (of ``instances``, ``cores``, ``ram``) more for the project. Call before the rows that they count are inserted.

    Raises QuotaExceeded, nothing changed. One statement; one more for a user with limits of their own.
    """
    take_between(tx, project_id, user_id, amounts, 1, 1, defaults)


def check(tx, project_id: str, user_id: str, amounts: dict[str, int], defaults: dict[str, int]) -> None:
    """Whether ``take`` would do; counts nothing. Raises QuotaExceeded."""
    take(tx, project_id, user_id, amounts, defaults)
    give_back(tx, project_id, amounts)


def count(tx, project_id: str, amounts: dict[str, int]) -> None:
    """Count ``amounts`` more for the project, whatever its limits: what was checked before has come to be."""
    quotas.take(tx, project_id, amounts, ())


def take_between(tx, project_id: str, user_id: str, each: dict[str, int], at_least: int, at_most: int, defaults: dict[str, int]) -> int:
    """``take`` for as many servers as the quotas admit, ``each`` of them taking so much; returns how many.

    Raises QuotaExceeded, nothing changed, when they admit fewer than ``at_least``.
    """
    each = {resource: amount for resource, amount in each.items() if amount}
    if not each:
        return at_most
    used, allowed = _take(tx, project_id, {resource: amount * at_most for resource, amount in each.items()}, project_id, user_id, defaults)
    found = [(allowed.of_project, used)]
    if allowed.of_user:
        # The project's counters are held: nobody else adds servers to it until this transaction ends.
        found.append((allowed.of_user, quotas.count_servers(tx, project_id, user_id)))
    count = min(at_most, *(_fitting(each, limits_, used_) for limits_, used_ in found))
    refused = count < at_least
    if count < at_most:
        quotas.give_back(tx, project_id, {resource: amount * (at_most - (0 if refused else count)) for resource, amount in each.items()})
    if refused:
        for limits_, used_ in found:
            _check({resource: amount * at_most for resource, amount in each.items()}, limits_, used_)
    return count


def _fitting(each: dict[str, int], allowed: dict[str, int], used: dict[str, int]) -> float:
    return min((max(0, allowed[resource] - used.get(resource, 0)) // amount for resource, amount in each.items()
                if allowed.get(resource, -1) >= 0), default=math.inf)


def take_key_pair(tx, project_id: str, user_id: str, defaults: dict[str, int]) -> None:
    """Count one more key pair of a user, against the limits of the project that the user works in. Raises QuotaExceeded, nothing changed."""
    amounts = {"key_pairs": 1}
    used, allowed = _take(tx, user_id, amounts, project_id, user_id, defaults)
    try:
        _check(amounts, allowed.effective, used)
    except exception.QuotaExceeded:
        quotas.give_back(tx, user_id, amounts)
        raise exception.QuotaExceeded("Quota exceeded, too many key pairs.")


def take_server_group(tx, project_id: str, user_id: str, defaults: dict[str, int]) -> None:
    """Count one more server group of a project; a user's own limit is about the groups that the user made. Raises QuotaExceeded."""
    amounts = {"server_groups": 1}
    used, allowed = _take(tx, project_id, amounts, project_id, user_id, defaults)
    try:
        _check(amounts, allowed.of_project, used)
        _check(amounts, allowed.of_user, {"server_groups": quotas.count_server_groups(tx, project_id, user_id)})
    except exception.QuotaExceeded:
        quotas.give_back(tx, project_id, amounts)
        raise exception.QuotaExceeded("Quota exceeded, too many server groups.")


def used(tx, project_id: str, user_id: str | None) -> dict[str, int]:
    """What a project uses, or what one user uses of it; resources that are not counted have no key."""
    if user_id is None:
        return quotas.usage(tx, project_id)
    return {**quotas.count_servers(tx, project_id, user_id), "key_pairs": quotas.count_key_pairs(tx, user_id),
            "server_groups": quotas.count_server_groups(tx, project_id, user_id)}


def give_back(tx, owner: str, amounts: dict[str, int]) -> None:
    """Count ``amounts`` less for a project (servers) or a user (key pairs). One statement."""
    quotas.give_back(tx, owner, amounts)


def _take(tx, owner: str, amounts: dict[str, int], project_id: str, user_id: str, defaults: dict[str, int]) -> tuple[dict[str, int], Limits]:
    """Count first, in one statement that answers what was used before and the limits; who finds it too much gives it back."""
    scopes = _scopes(project_id, user_id)
    used, found = quotas.take(tx, owner, amounts, scopes)
    return used, _limits(scopes, found, defaults)


def _check(amounts: dict[str, int], allowed: dict[str, int], used: dict[str, int]) -> None:
    over = sorted(resource for resource, amount in amounts.items()
                  if 0 <= allowed.get(resource, -1) < used.get(resource, 0) + amount)
    if not over:
        return
    names, asked, taken, limit = (", ".join(str(value) for value in values) for values in (
        over, [amounts[resource] for resource in over], [used.get(resource, 0) for resource in over], [allowed[resource] for resource in over]))
    raise exception.QuotaExceeded(f"Quota exceeded for {names}: Requested {asked}, but already used {taken} of {limit} {names}")


def recount(tx) -> dict[tuple[str, str], tuple[int, int]]:
    """Compare every counter with what it counts and set right those that differ: ``{(owner, resource): (was, is)}``.

    For an auditor; holds each owner's counters while it counts.
    """
    wrong = {}
    for owner, resources, count in _counted(tx):
        # Adding nothing holds the counters, and makes those that are missing.
        counted, _ = quotas.take(tx, owner, dict.fromkeys(resources, 0), ())
        wrong.update(_compare(owner, counted, count(tx, owner)))
    for (owner, resource), (_, real) in wrong.items():
        quotas.set_counter(tx, owner, resource, real)
    return wrong


def differences(tx) -> dict[tuple[str, str], tuple[int, int]]:
    """As ``recount``, and changes and holds nothing: what is under way may show."""
    wrong = {}
    for owner, _, count in _counted(tx):
        wrong.update(_compare(owner, quotas.usage(tx, owner), count(tx, owner)))
    return wrong


def _counted(tx) -> list[tuple]:
    """(owner, resources, a function that counts them one by one) of all who have counters or should have some."""
    projects, users = quotas.list_owners(tx)
    return [*((owner, (*SERVER_RESOURCES, "server_groups"), _count_project) for owner in sorted(projects)),
            *((owner, ("key_pairs",), _count_user) for owner in sorted(users))]


def _count_project(tx, owner: str) -> dict[str, int]:
    return {**quotas.count_servers(tx, owner), "server_groups": quotas.count_server_groups(tx, owner)}


def _count_user(tx, owner: str) -> dict[str, int]:
    return {"key_pairs": quotas.count_key_pairs(tx, owner)}


def _compare(owner: str, counted: dict[str, int], real: dict[str, int]) -> dict[tuple[str, str], tuple[int, int]]:
    return {(owner, resource): (counted.get(resource, 0), number) for resource, number in real.items() if counted.get(resource, 0) != number}
