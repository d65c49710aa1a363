"""Declaring an interface, binding arguments, comparing an endpoint."""
import pytest

from nova_lite.rpc.interface import Interface, broadcast, call, cast, differences


class Kitchen(Interface):
    topic = "kitchen"

    @cast
    def order(self, ctx, *, dish: str, count: int = 1, extras: list = ()):
        """Cook something."""

    @call(timeout=3)
    def price(self, ctx, *, dish: str) -> int:
        """What it costs."""

    @broadcast
    def closing(self, ctx):
        """Everybody goes home."""


class Cook:
    def order(self, ctx, dish, count=1, extras=()):
        """"""

    def price(self, ctx, *, dish):
        """"""

    def closing(self, ctx):
        """"""


def test_table_of_methods():
    table = {method.name: (method.kind, method.timeout, list(method.arguments)) for method in Kitchen.methods.values()}
    assert table == {"order": ("cast", None, ["dish", "count", "extras"]), "price": ("call", 3.0, ["dish"]),
                     "closing": ("broadcast", None, [])}
    assert Kitchen.methods["price"].documentation == "What it costs."
    assert not Kitchen.per_host
    with pytest.raises(TypeError):
        Kitchen.methods["more"] = None


def test_a_derived_interface_has_the_methods_of_its_base():
    class Bigger(Kitchen):
        @cast
        def wash(self, ctx):
            """Wash up."""
    assert set(Bigger.methods) == {"order", "price", "closing", "wash"}
    assert set(Kitchen.methods) == {"order", "price", "closing"}


def test_bind_fills_in_defaults_and_names_what_is_wrong():
    order = Kitchen.methods["order"]
    assert order.bind({"dish": "soup"}) == {"dish": "soup", "count": 1, "extras": ()}
    with pytest.raises(TypeError, match="misses the argument 'dish'"):
        order.bind({"count": 2})
    with pytest.raises(TypeError, match="no argument 'sauce'"):
        order.bind({"dish": "soup", "sauce": "red"})


@pytest.mark.parametrize("given, sent", [
    ({"count": 1}, {}), ({"count": 2}, {"count": 2}), ({"count": True}, {"count": True}), ({"count": 1.0}, {"count": 1.0}),
    ({"extras": []}, {}), ({"extras": ["salt"]}, {"extras": ["salt"]}), ({"extras": None}, {"extras": None})])
def test_only_what_differs_from_its_default_travels(given, sent):
    assert Kitchen.methods["order"].to_send({"dish": "soup", **given}) == {"dish": "soup", **sent}


def _declare(function, mark=cast, **attributes):
    return type("Wrong", (Interface,), {"topic": "wrong", "method": mark(function), **attributes})


def test_wrong_declarations_are_refused():
    def positional(self, ctx, dish):
        """x"""

    def mutable(self, ctx, *, dish=[]):  # noqa: B006
        """x"""

    def silent(self, ctx):
        pass

    def without_context(self, *, dish):
        """x"""

    def with_host(self, ctx, *, host):
        """x"""

    def open_ended(self, ctx, **rest):
        """x"""

    def unmarked(self, ctx):
        """x"""

    for function, said in [(positional, "keyword-only"), (mutable, "immutable"), (silent, "docstring"),
                           (without_context, r"\(self, ctx"), (with_host, "host"), (open_ended, "keyword-only")]:
        with pytest.raises(TypeError, match=said):
            _declare(function)
    with pytest.raises(TypeError, match="neither a cast"):
        _declare(unmarked, mark=lambda function: function)
    with pytest.raises(TypeError, match="topic"):
        type("Nameless", (Interface,), {})
    with pytest.raises(TypeError, match="timeout"):
        call(positional)


def test_an_endpoint_that_fits_has_no_differences():
    assert differences(Kitchen, Cook()) == []


def test_differences_name_method_and_argument():
    class Careless(Cook):
        price = None

        def order(self, ctx, dish, count=2, *, sauce=None):
            """"""

        def closing(self):
            """"""
    assert differences(Kitchen, Careless()) == [
        "order() does not take extras", "order(): the default of count is 2, which is not the interface's",
        "order() takes sauce, which the interface does not declare", "price() is missing", "closing() must take ctx first"]
