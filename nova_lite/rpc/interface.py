"""How a service's RPC methods are declared: once, as signatures. Subclassed in ``nova_lite/interfaces/``.

    class SchedulerInterface(Interface):
        topic = "scheduler"

        @cast
        def build_server(self, ctx, *, server_id: str, token: str, exclude: list = ()):
            \"\"\"Find a host for the server and ring it.\"\"\"

A *cast* is sent to one server of the topic and not answered; a *call* is answered within its timeout; a *broadcast* is
cast to every server of the topic. The client is generated from the table ``methods`` and the server is compared with it.
An argument that has its default value is not sent, so that a newer client can ring an older server.
"""
import dataclasses
import inspect
import types
from collections.abc import Callable, Mapping

CAST, CALL, BROADCAST = "cast", "call", "broadcast"
_MARK = "_rpc_method"
_REQUIRED = inspect.Parameter.empty


@dataclasses.dataclass(frozen=True)
class Method:
    """One declared method. ``arguments``: name → default, ``inspect.Parameter.empty`` for those that must be given."""

    name: str
    kind: str
    timeout: float | None  # seconds; None but for calls
    arguments: Mapping[str, object]
    documentation: str

    def bind(self, given: Mapping[str, object]) -> dict:
        """All arguments, defaults filled in. Raises TypeError naming what is unknown or missing."""
        unknown = given.keys() - self.arguments.keys()
        if unknown:
            raise TypeError(f"{self.name}() has no argument {', '.join(map(repr, sorted(unknown)))}")
        bound = {**self.arguments, **given}
        missing = [name for name, value in bound.items() if value is _REQUIRED]
        if missing:
            raise TypeError(f"{self.name}() misses the argument {', '.join(map(repr, missing))}")
        return bound

    def to_send(self, given: Mapping[str, object]) -> dict:
        """The arguments that must travel: those that differ from their defaults. Raises TypeError as bind does."""
        return {name: value for name, value in self.bind(given).items() if not _same(value, self.arguments[name])}


def _same(value: object, default: object) -> bool:
    """Whether leaving ``value`` out gives the receiver the same thing: True is not 1, but a list may equal a tuple."""
    if isinstance(value, list):
        value = tuple(value)
    return default is not _REQUIRED and type(value) is type(default) and value == default


def cast(function: Callable) -> Callable:
    """Declare a method that one server of the topic carries out, unanswered."""
    setattr(function, _MARK, (CAST, None))
    return function


def broadcast(function: Callable) -> Callable:
    """Declare a method that every server of the topic carries out, unanswered."""
    setattr(function, _MARK, (BROADCAST, None))
    return function


def call(timeout: float) -> Callable[[Callable], Callable]:
    """Declare a method whose result or error comes back within ``timeout`` seconds."""
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout <= 0:
        raise TypeError("write @call(timeout=SECONDS)")

    def mark(function: Callable) -> Callable:
        setattr(function, _MARK, (CALL, float(timeout)))
        return function
    return mark


class Interface:
    """Base of the interfaces. ``per_host``: each host has a queue ``<topic>.<host>``, and the client's methods take the
    host after the context; broadcasts go to all hosts.
    """

    topic: str
    per_host: bool = False
    methods: Mapping[str, Method] = types.MappingProxyType({})

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if not isinstance(getattr(cls, "topic", None), str) or not cls.topic:
            raise TypeError(f"{cls.__name__} names no topic")
        declared = dict(cls.methods)
        for name, function in vars(cls).items():
            if hasattr(function, _MARK):
                declared[name] = _read(cls.__name__, name, function)
            elif inspect.isfunction(function):
                raise TypeError(f"{cls.__name__}.{name} is neither a cast, a call nor a broadcast")
        cls.methods = types.MappingProxyType(declared)


def _read(owner: str, name: str, function: Callable) -> Method:
    """Read a declaration. Raises TypeError naming what is wrong with it."""
    kind, timeout = getattr(function, _MARK)
    where = f"{owner}.{name}"
    parameters = list(inspect.signature(function).parameters.values())
    if [parameter.name for parameter in parameters[:2]] != ["self", "ctx"]:
        raise TypeError(f"{where} must begin with (self, ctx, *, ...)")
    for parameter in parameters[2:]:
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            raise TypeError(f"{where}: the argument {parameter.name} must be keyword-only")
        if parameter.name == "host":
            raise TypeError(f"{where}: no argument may be called host, the client's methods take it to find the queue")
        if isinstance(parameter.default, list | dict | set):
            raise TypeError(f"{where}: the default of {parameter.name} must be immutable: write () or None")
    if not function.__doc__:
        raise TypeError(f"{where} needs a docstring: it is the protocol's documentation")
    arguments = {parameter.name: parameter.default for parameter in parameters[2:]}
    return Method(name, kind, timeout, types.MappingProxyType(arguments), inspect.getdoc(function))


def differences(interface: type[Interface], endpoint: object) -> list[str]:
    """What keeps ``endpoint`` from serving ``interface``, a line each: methods it lacks, arguments that differ."""
    found = []
    for method in interface.methods.values():
        function = getattr(endpoint, method.name, None)
        if not callable(function):
            found.append(f"{method.name}() is missing")
            continue
        parameters = list(inspect.signature(function).parameters.values())
        if not parameters or parameters[0].name != "ctx":
            found.append(f"{method.name}() must take ctx first")
            continue
        offered = {parameter.name: parameter for parameter in parameters[1:]}
        found.extend(f"{method.name}() does not take {name}" for name in sorted(method.arguments.keys() - offered.keys()))
        for name, parameter in offered.items():
            found.extend(_argument_differences(method, name, parameter))
    return found


def _argument_differences(method: Method, name: str, parameter: inspect.Parameter) -> list[str]:
    if name not in method.arguments:
        return [f"{method.name}() takes {name}, which the interface does not declare"]
    if parameter.kind not in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD):
        return [f"{method.name}() does not take {name} by keyword"]
    if parameter.default is not _REQUIRED and not _same(parameter.default, method.arguments[name]):
        return [f"{method.name}(): the default of {name} is {parameter.default!r}, which is not the interface's"]
    return []
