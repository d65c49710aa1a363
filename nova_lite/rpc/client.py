"""The client of an interface: an object whose methods send. Made by ``cmd/wiring.py``, called by actions, managers, sweeps."""
import inspect
import uuid

from nova_lite import exception
from nova_lite.rpc import serializer
from nova_lite.rpc.interface import BROADCAST, CALL, Interface, Method
from nova_lite.rpc.transport import Transport


class Client:
    """Base of the generated classes: how each kind of method is sent."""

    def __init__(self, transport: Transport, interface: type[Interface]):
        self._transport = transport
        self._interface = interface

    def _send(self, method: Method, ctx, host: str | None, given: dict):
        topic = self._interface.topic
        if method.kind == BROADCAST:
            address = self._transport.everyone(topic)
        else:
            address = self._transport.topic(topic if host is None else f"{topic}.{host}")
        id = uuid.uuid4().hex
        reply_to = self._transport.inbox if method.kind == CALL else None
        request = serializer.Request(method.name, method.to_send(given), ctx.to_dict(), id, reply_to)
        body = serializer.encode_request(request)
        if method.kind != CALL:
            self._transport.publish(address, body)
            return None
        answer = self._transport.request(address, body, id, method.timeout)
        if answer is None:
            raise exception.RpcTimeout(topic=address.queue, method=method.name, timeout=method.timeout)
        return serializer.decode_reply(answer)


def client(transport: Transport, interface: type[Interface]) -> Client:
    """An object with the interface's methods: ``method(ctx, **arguments)``, or ``method(ctx, host, **arguments)`` for those
    of a per-host interface that are not broadcasts.

    They raise TypeError (wrong arguments, a value that cannot travel) and exception.TooLarge before anything is sent, and
    exception.RpcUnavailable when the broker cannot be reached. Casts and broadcasts return None once the broker has the
    message. Calls return the result, raise the error that the method raised (its registered class, else
    exception.RemoteError), or exception.RpcTimeout.
    """
    members = {name: _method(method, interface.per_host and method.kind != BROADCAST)
               for name, method in interface.methods.items()}
    return type(f"{interface.__name__}Client", (Client,), members)(transport, interface)


def _method(method: Method, per_host: bool):
    if per_host:
        def send(self, ctx, host, **given):
            if not isinstance(host, str) or not host:
                raise TypeError(f"{method.name}() needs the name of a host, not {host!r}")
            return self._send(method, ctx, host, given)
    else:
        def send(self, ctx, **given):
            return self._send(method, ctx, None, given)
    first = ["self", "ctx", "host"] if per_host else ["self", "ctx"]
    send.__signature__ = inspect.Signature(
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in first]
        + [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
           for name, default in method.arguments.items()])
    send.__name__, send.__doc__ = method.name, method.documentation
    return send
