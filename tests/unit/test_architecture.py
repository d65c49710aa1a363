"""The architecture as a test: its tables are the map of the house. Who may import whom, which library comes in by which door, how
large things may grow. When a rule fails, build the missing module; change a table only together with nova_lite/ARCHITECTURE.md.
"""
import ast
import collections
import configparser
import fnmatch
import pathlib
import re
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "nova_lite"

GROUND = ("config", "context", "exception", "policy", "concurrency", "clock", "log", "hooks")
"""Modules that every room may import, and that import no room."""

# room | its modules | rooms that it may import (itself and the ground floor always)
ROOMS = {
    "rpc": (["rpc"], []),
    "numa": (["numa"], []),
    "pci": (["pci"], []),
    "interfaces": (["interfaces"], ["rpc"]),
    "db": (["db"], []),
    "identity": (["identity"], ["db"]),
    "image": (["image"], ["db"]),
    "network": (["network"], ["db", "rpc", "interfaces"]),
    "network.worker": (["network.worker"], ["network", "db", "rpc", "interfaces", "virt"]),
    "compute.states": (["compute.states", "compute.task"], ["db"]),
    "compute": (["compute"], ["compute.states", "identity", "image", "network", "numa", "pci", "db", "rpc", "interfaces"]),
    "compute.worker": (["compute.worker"],
                       ["compute", "compute.states", "identity", "image", "network", "numa", "pci", "db", "rpc", "interfaces", "virt"]),
    "scheduler.core": (["scheduler.core"], ["numa", "pci"]),
    "scheduler": (["scheduler"], ["scheduler.core", "numa", "compute.states", "db", "rpc", "interfaces"]),
    "virt": (["virt"], ["numa", "pci"]),
    "virt.libvirt": (["virt.libvirt"], ["virt", "numa", "pci"]),
    "consoleproxy": (["consoleproxy"], ["compute"]),
    "service": (["service"], ["db", "rpc", "interfaces"]),
    "api": (["api"], ["compute", "compute.states", "network", "image", "identity", "numa", "db"]),
    "cmd": (["cmd"], ["*"]),
}

# import name | distribution in setup.cfg | where it may be imported
DOORS = {
    "alembic": ("alembic", ["db"]),
    "amqp": ("kombu", ["rpc"]),
    "argon2": ("argon2-cffi", ["identity"]),
    "cryptography": ("cryptography", ["identity", "compute"]),
    "eventlet": ("eventlet", ["concurrency"]),
    "greenlet": ("greenlet", ["concurrency"]),
    "jsonschema": ("jsonschema", ["api"]),
    "keystonemiddleware": ("keystonemiddleware", ["api"]),
    "kombu": ("kombu", ["rpc"]),
    "libvirt": ("libvirt-python", ["virt.libvirt"]),
    "orjson": ("orjson", ["api", "db"]),
    "numpy": ("numpy", ["scheduler.core"]),
    "oslo_config": ("oslo.config", ["config", "policy"]),
    "oslo_policy": ("oslo.policy", ["policy"]),
    "psycopg": ("psycopg", ["db"]),
    "prometheus_client": ("prometheus-client", ["service"]),
    "pycdlib": ("pycdlib", ["virt.libvirt"]),
    "pymysql": ("PyMySQL", ["db"]),
    "routes": ("routes", ["api"]),
    "sqlalchemy": ("SQLAlchemy", ["db"]),
    "webob": ("webob", ["api"]),
    "wsproto": ("wsproto", ["consoleproxy"]),
    "yaml": ("PyYAML", ["compute.worker"]),
}

TOP_LEVEL = {".ci", ".git", ".gitignore", "LICENSE", "README.md", "etc", "nova_lite", "pyproject.toml", "run_tests.sh", "setup.cfg", "tests", "tools"}
FORBIDDEN_MODULES = {"utils", "util", "common", "helpers", "helper", "misc"}
FORBIDDEN_WORDS = {"tenant": "project", "tenants": "projects", "instance": "server", "instances": "servers"}
# EC2's own word, in the one API that speaks it.
OTHERS_WORDS = ("nova_lite/api/ec2/", "tests/unit/api/ec2/", "tools/peer_nova.py")
"""Where EC2's and Nova's own words are what the code speaks."""

FILE_LINES = 500
FUNCTION_LINES = 60
FUNCTION_BRANCHES = 10
PUBLIC_METHODS = 15
DRIVER_METHODS = 30
DOCUMENT_LINES = 300


# ---- reading the tree


def read(folder: str) -> dict[str, ast.Module]:
    """Syntax trees of all Python files below a folder of the project, by path from the project's root."""
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text(), str(path)) for path in sorted((ROOT / folder).rglob("*.py"))
            if "__pycache__" not in path.parts}


SOURCES = read("nova_lite")
TESTS_AND_TOOLS = {**read("tests"), **read("tools")}
EVERYTHING = {**SOURCES, **TESTS_AND_TOOLS}


def module_name(path: str) -> str:
    """nova_lite/db/engine.py → nova_lite.db.engine; a package's __init__.py is the package."""
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


MODULES = {module_name(path): path for path in SOURCES}


def is_typing_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def walk(node: ast.AST, enter=lambda child: True):
    """All nodes below, those of which ``enter`` is false left out with what they contain."""
    for child in ast.iter_child_nodes(node):
        if enter(child):
            yield child
            yield from walk(child, enter)


def from_target(node: ast.ImportFrom, path: str) -> str:
    """The absolute module of ``from X import``, relative ones resolved."""
    if not node.level:
        return node.module or ""
    package = module_name(path).split(".")
    if not path.endswith("__init__.py"):
        package = package[:-1]
    package = package[:len(package) - node.level + 1]
    return ".".join(package + ([node.module] if node.module else []))


def imports(path: str, tree: ast.Module) -> list[tuple[str, int]]:
    """Each module that a file imports anywhere in it, with the line. ``from package import module`` counts as the module."""
    found = []
    for node in walk(tree, lambda child: not is_typing_only(child)):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = from_target(node, path)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                found.append((full if full in MODULES else base, node.lineno))
    return found


def room_of(module: str) -> str | None:
    """The room of a module of the package; ``ground`` for the ground floor, None where the map has no place for it."""
    inner = module.removeprefix("nova_lite").removeprefix(".")
    if not inner or inner.split(".")[0] in GROUND:
        return "ground"
    owners = {prefix: room for room, (prefixes, _) in ROOMS.items() for prefix in prefixes}
    fitting = [prefix for prefix in owners if inner == prefix or inner.startswith(prefix + ".")]
    return owners[max(fitting, key=len)] if fitting else None


def functions(tree: ast.AST, prefix: str = ""):
    """(qualified name, node) of each function and method, nested ones too."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = prefix + child.name
            if not isinstance(child, ast.ClassDef):
                yield name, child
            yield from functions(child, name + ".")
        else:
            yield from functions(child, prefix)


def report(violations: list[str]) -> None:
    if violations:
        pytest.fail("\n  " + "\n  ".join(sorted(violations)), pytrace=False)


def find_cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Each knot of nodes that reach one another, as a sorted list (Tarjan's strongly connected components)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for following in graph.get(node, ()):
            if following not in index:
                visit(following)
                low[node] = min(low[node], low[following])
            elif following in stack:
                low[node] = min(low[node], index[following])
        if low[node] == index[node]:
            knot = stack[stack.index(node):]
            del stack[stack.index(node):]
            if len(knot) > 1:
                found.append(sorted(knot))

    for node in list(graph):
        if node not in index:
            visit(node)
    return found


# ---- rooms and doors


def test_every_module_has_a_room():
    report([f"{path}: no room of the map holds it" for module, path in MODULES.items() if room_of(module) is None])


def test_every_room_of_the_map_is_there():
    prefixes = [prefix for prefixes, _ in ROOMS.values() for prefix in prefixes] + list(GROUND)
    report([f"{prefix}: on the map, and nothing is there" for prefix in prefixes if f"nova_lite.{prefix}" not in MODULES])


def test_rooms_import_only_what_the_map_allows():
    violations = []
    for path, tree in SOURCES.items():
        room = room_of(module_name(path))
        for target, line in imports(path, tree):
            if target.split(".")[0] != "nova_lite" or room in (None, "cmd"):
                continue
            other = room_of(target)
            allowed = {room, "ground"} | set(ROOMS[room][1] if room in ROOMS else ())
            if other not in allowed:
                violations.append(f"{path}:{line}: room {room} imports {target} (room {other}); allowed: {', '.join(sorted(allowed))}")
    report(violations)


def test_the_map_itself_is_acyclic():
    graph = {room: {other for other in allowed if other != "*"} for room, (_, allowed) in ROOMS.items()}
    assert find_cycles(graph) == []
    assert find_cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def test_no_import_cycles_between_modules():
    graph = collections.defaultdict(set)
    for path, tree in SOURCES.items():
        module = module_name(path)
        graph[module] |= {target for target, _ in imports(path, tree) if target in MODULES and target != module}
    report([f"these import one another: {', '.join(knot)}" for knot in find_cycles(graph)])


def third_party(path: str, tree: ast.Module):
    for target, line in imports(path, tree):
        library = target.split(".")[0]
        if library not in sys.stdlib_module_names and library != "nova_lite":
            yield library, line


def test_each_library_comes_in_by_its_door():
    violations = []
    for path, tree in SOURCES.items():
        inner = module_name(path).removeprefix("nova_lite.")
        for library, line in third_party(path, tree):
            doors = DOORS.get(library, (None, ()))[1]
            if not any(inner == door or inner.startswith(door + ".") for door in doors):
                where = f"belongs in {', '.join(doors)}" if doors else "has no door in DOORS"
                violations.append(f"{path}:{line}: {library} {where}")
    report(violations)


def test_requirements_are_what_is_imported():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = [lines for name, lines in setup["options.extras_require"].items() if name != "test"]
    listed = {re.split(r"[<>=!~;\[ ]", line)[0].lower() for lines in [setup["options"]["install_requires"], *extras]
              for line in lines.split("\n") if line.strip()}
    assert listed == {distribution.lower() for distribution, _ in DOORS.values()}


def test_executables_patch_before_anything_else():
    violations = []
    for path, tree in SOURCES.items():
        has_main = any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body)
        if not (path.startswith("nova_lite/cmd/") and has_main):
            continue
        first = [ast.unparse(node) for node in tree.body[1:3]]
        if first != ["from nova_lite import concurrency", "concurrency.patch()"]:
            violations.append(f"{path}: starts with {first} instead of importing concurrency and patching")
    report(violations)


# ---- limits


def test_files_are_short():
    lengths = {path: len((ROOT / path).read_text().splitlines()) for path in EVERYTHING if not is_migration(path)}
    report([f"{path}: {lines} lines of at most {FILE_LINES}: which module is missing?" for path, lines in lengths.items() if lines > FILE_LINES])


def is_migration(path: str) -> bool:
    """A migration is a list of tables in one function by its nature."""
    return path.startswith("nova_lite/db/migrations/versions/")


def test_functions_are_short():
    violations = []
    for path, tree in EVERYTHING.items():
        for name, node in functions(tree):
            lines = node.end_lineno - node.lineno + 1
            if lines > FUNCTION_LINES and not is_migration(path):
                violations.append(f"{path}:{node.lineno}: {name} has {lines} lines of at most {FUNCTION_LINES}")
    report(violations)


BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.match_case)
NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def count_branches(function: ast.AST) -> int:
    """if/elif, loops, except and case; those of functions inside count for those."""
    return sum(isinstance(node, BRANCHES) for node in walk(function, lambda child: not isinstance(child, NESTED)))


def test_functions_branch_little():
    violations = []
    for path, tree in EVERYTHING.items():
        for name, node in functions(tree):
            branches = count_branches(node)
            if branches > FUNCTION_BRANCHES:
                violations.append(f"{path}:{node.lineno}: {name} has {branches} branches of at most {FUNCTION_BRANCHES}: is it a table?")
    report(violations)


def test_classes_have_few_public_methods():
    violations = []
    for path, tree in EVERYTHING.items():
        for node in walk(tree):
            if isinstance(node, ast.ClassDef):
                public = [child for child in node.body if isinstance(child, ast.FunctionDef) and not child.name.startswith("_")]
                is_driver = path.startswith("nova_lite/virt/") and node.name.endswith("Driver")
                limit = DRIVER_METHODS if is_driver else PUBLIC_METHODS
                if len(public) > limit:
                    violations.append(f"{path}:{node.lineno}: {node.name} has {len(public)} public methods of at most {limit}")
    report(violations)


# ---- words and documents


def test_every_module_has_a_docstring():
    report([f"{path}: says nowhere what is in it" for path, tree in EVERYTHING.items() if not ast.get_docstring(tree)])


def test_every_package_has_an_init():
    folders = {path.rsplit("/", 1)[0] for path in SOURCES}
    report([f"{folder}: no __init__.py" for folder in folders if f"{folder}/__init__.py" not in SOURCES])


def test_test_files_have_unique_names():
    names = collections.Counter(path.rsplit("/", 1)[1] for path in TESTS_AND_TOOLS if path.startswith("tests/"))
    report([f"tests: {count} files are called {name}" for name, count in names.items() if count > 1 and name.startswith("test_")])


def test_no_module_is_called_utils():
    report([f"{path}: name it after what it does" for path in EVERYTHING if FORBIDDEN_MODULES & set(path.removesuffix(".py").split("/"))])


def defined_names(tree: ast.Module):
    """(name, line) of each function, class, argument, variable and attribute that a file defines."""
    for node in walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno


def words_of(name: str) -> set[str]:
    """instance_id, InstanceId → instance, id."""
    return {word.lower() for part in name.split("_") for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", part)}


def test_names_use_our_words():
    violations = []
    for path, tree in EVERYTHING.items():
        if path.startswith(OTHERS_WORDS):
            continue
        names = {*defined_names(tree), (pathlib.Path(path).stem, 1)}
        violations += [f"{path}:{line}: {name}: we say {FORBIDDEN_WORDS[word]}" for name, line in names
                       for word in words_of(name) & FORBIDDEN_WORDS.keys()]
    report(violations)


@pytest.mark.parametrize(("name", "expected"), [("instance_id", {"instance", "id"}), ("InstanceId", {"instance", "id"}),
                                                ("isinstance", {"isinstance"}), ("HTTPServer", {"http", "server"})])
def test_names_are_split_into_words(name, expected):
    assert words_of(name) == expected


def test_top_level_is_fixed():
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split()]
    present = {path.name for path in ROOT.iterdir() if not any(fnmatch.fnmatch(path.name, pattern) for pattern in ignored)}
    report([f"{name}: not a top-level entry of this project" for name in present - TOP_LEVEL]
           + [f"{name}: missing" for name in TOP_LEVEL - present - {".git"}])


def test_architecture_document_names_every_room_and_stays_short():
    text = (PACKAGE / "ARCHITECTURE.md").read_text()
    assert len(text.splitlines()) <= DOCUMENT_LINES
    report([f"ARCHITECTURE.md does not name `{room}`" for room in [*ROOMS, *GROUND] if f"`{room}`" not in text])


def test_package_docstring_names_every_room():
    text = ast.get_docstring(SOURCES["nova_lite/__init__.py"])
    rooms = {room.split(".")[0] for room in ROOMS} | set(GROUND)
    report([f"nova_lite/__init__.py does not name {room}" for room in rooms if not re.search(rf"\b{room}\b", text)])


def test_entry_points_exist():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    violations = []
    for lines in setup["options.entry_points"].values():
        for target in re.findall(r"= *(\S+)", lines):
            module, _, name = target.partition(":")
            tree = SOURCES.get(MODULES.get(module, ""))
            if tree is None or name not in {getattr(node, "name", None) for node in tree.body}:
                violations.append(f"setup.cfg: {target} does not exist")
    report(violations)
