"""The rules of the house, kept by a machine: what may import what, where code lives, what a file may hold.

All of it is read from the source by `ast`, so nothing of linnet is imported here; the few start-up checks run in a
process of their own.
"""

import ast
import functools as ft
import importlib.util
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "linnet"
FILES = sorted(SOURCE.rglob("*.py"))
NAMES = [str(file.relative_to(SOURCE)) for file in FILES]

#: The base: the underscored modules beside the rooms. They import one another and no room.
BASE = {file.stem for file in SOURCE.glob("_*.py")} - {"__init__", "__main__"}

#: Rooms by level: a room may import the base and every room on a lower level. Rooms on one level do not meet.
LEVELS = [
    {"scan", "systems", "tasks"},
    {"nn"},
    {"analyse"},
    {"theory", "learn"},
    {"compare"},
    {"reconstruct", "report"},
    {"studies"},
    {"run"},
    {"cli"},
]
#: Rooms beside the levels, with those that may import them. They themselves see only the base.
ASIDE = {"store": {"run", "cli"}, "config": {"studies", "run", "cli"}}

ROOMS = set().union(*LEVELS) | set(ASIDE)
MAX_LINES = 500
MEDIAN_LINES = 200
HELP_SECONDS = 0.5


@ft.cache
def parse(file):
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


def room_of(file):
    """The room that a file belongs to; a module of the base is its own room, the root index is ""."""
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return "" if parts == ("__init__",) else parts[0]


@ft.cache
def imports(file):
    """Every module that a file imports, lazily or for types too, as absolute names: (line, "linnet.tasks._moments")."""
    found = []
    package = ("linnet", *file.relative_to(SOURCE).parts[:-1])
    for node in ast.walk(parse(file)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            # `from .. import tasks` names a module; `from ..tasks import Moments` names what is in one.
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "linnet" else [module]
            found += [(node.lineno, name) for name in names]
    return found


def allowed(room):
    """The rooms that a room may import, itself included; the base imports only the base."""
    if room in BASE:
        return set(BASE)
    if room in ASIDE:
        return BASE | {room}
    level = next(number for number, rooms in enumerate(LEVELS) if room in rooms)
    return BASE | {room} | set().union(*LEVELS[:level]) | {aside for aside, users in ASIDE.items() if room in users}


def calls(tree, name):
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]


def fresh_python(code):
    """Runs code in a process of its own (no import hook, nothing loaded) and returns what it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"This failed in a fresh process:\n{code}\n{done.stderr}"
    return done.stdout.strip()


# --- what may import what ---------------------------------------------------------------------------------------------


def test_every_folder_is_a_known_room():
    unknown = {room_of(file) for file in FILES} - ROOMS - BASE - {"", "__main__"}
    assert not unknown, f"{sorted(unknown)} is no room of DESIGN.md: place it, then give it a level in this test."


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_import_direction(file):
    room = room_of(file)
    if room in ("", "__main__"):
        return  # the root index loads everything by name, lazily; test_root_index_* keep it
    may = allowed(room)
    for line, module in imports(file):
        if module.split(".")[0] != "linnet":
            continue
        target = (module.split(".") + [""])[1]
        assert target, f"{file}:{line} imports linnet's root, which hides what it needs: import the room."
        assert target in may or target == "__version__", (
            f"{file}:{line}: {room} imports {target}; it may import the base and"
            f" {', '.join(sorted(may - BASE - {room})) or 'no room'}. What both need belongs in a lower room."
        )


#: The rules of a primitive have no other place; JAX's own guide to new primitives takes them from there.
DEFINES_A_PRIMITIVE = "_products.py"


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_only_public_modules_of_other_libraries(file):
    for line, module in imports(file):
        if file.name == DEFINES_A_PRIMITIVE and module.startswith("jax.interpreters"):
            continue
        top, *rest = module.split(".")
        private = top not in ("linnet", "__future__") and any(part.startswith("_") for part in rest)
        assert not private and top != "jaxlib" and not module.startswith("jax.interpreters"), (
            f"{file}:{line} imports {module}, which is private: it may be gone in the next release."
        )
    for node in ast.walk(parse(file)):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in ("jax", "jnp", "jr")
        ):
            assert not node.attr.startswith("_"), (
                f"{file}:{node.lineno} uses {node.value.id}.{node.attr}, which is private."
            )


def test_config_imports_no_jax():
    heavy = {"jax", "equinox", "diffrax", "optax", "optimistix", "lineax", "xarray", "pandas", "matplotlib", "sklearn"}
    for file in FILES:
        if room_of(file) == "config":
            found = {module.split(".")[0] for _, module in imports(file)} & heavy
            assert not found, (
                f"{file} imports {sorted(found)}; config must stay light, the command line starts with it."
            )
    assert fresh_python("import sys, linnet.config; print('jax' in sys.modules)") == "False", (
        "Importing linnet.config imports jax: `linnet --help` would wait for it."
    )


def test_x64_is_switched_on_by_the_command_line_only():
    for file in FILES:
        if room_of(file) != "cli":
            # `with jax.enable_x64(True):` holds for this thread and this block, and is no global setting.
            blocks = [node for node in ast.walk(parse(file)) if isinstance(node, ast.With)]
            local = {id(item.context_expr) for block in blocks for item in block.items}
            updates = [
                node.lineno
                for node in ast.walk(parse(file))
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("config.update", "enable_x64"))
                if id(node) not in local
            ]
            assert not updates, f"{file}:{updates} sets a global setting of JAX; only the CLI may, for its own process."


# --- starting up ------------------------------------------------------------------------------------------------------


def test_root_index_imports_no_jax():
    loaded = fresh_python("import sys, linnet; linnet.__version__; print('jax' in sys.modules, 'numpy' in sys.modules)")
    assert loaded == "False False", "`import linnet` must stay lazy: something in linnet/__init__.py imports at once."


def test_root_index_equals_its_stub():
    stub = ast.parse((SOURCE / "__init__.pyi").read_text(encoding="utf-8"))
    typed = {
        alias.asname or alias.name for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    listed = set(fresh_python("import linnet; print(*linnet.__all__)").split())
    assert typed == listed, (
        f"Only in __init__.pyi: {sorted(typed - listed)}; only in __init__.py: {sorted(listed - typed)}."
    )


def test_root_index_loads_every_name():
    code = "import linnet\nfor name in linnet.__all__: getattr(linnet, name)\nprint('all')"
    assert fresh_python(code) == "all"


def test_help_imports_no_jax():
    code = (
        "import sys\nfrom linnet.cli import main\nsys.argv = ['linnet', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print()\nprint(sorted({'jax', 'pandas', 'matplotlib', 'sklearn', 'xarray', 'scipy'} & set(sys.modules)))"
    )
    assert fresh_python(code).splitlines()[-1] == "[]", (
        "`linnet --help` loads a large library: import it in the command."
    )


def test_help_answers_at_once():
    """Under half a second of this machine's work, and on the clock too, less what other programs take."""
    work = clock = float("inf")
    for _ in range(10):  # a loaded machine may be slow nine times of ten, never every time
        before, start = os.times(), time.perf_counter()
        done = subprocess.run([Path(sys.executable).with_name("linnet"), "--help"], capture_output=True, timeout=60)
        clock = min(clock, time.perf_counter() - start)
        after = os.times()
        work = min(work, after.children_user - before.children_user + after.children_system - before.children_system)
        assert done.returncode == 0 and b"learn" in done.stdout, f"`linnet --help` failed: {done.stderr}"
        crowd = max(1.0, 2 * os.getloadavg()[0] / (os.cpu_count() or 1))
        if work < HELP_SECONDS and clock < HELP_SECONDS * crowd:
            return
    pytest.fail(
        f"`linnet --help` took {work:.2f} s of work and {clock:.2f} s at best; {HELP_SECONDS} s is the limit"
        " (python -X importtime tells why)."
    )


# --- where code lives, and how much ----------------------------------------------------------------------------------


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_code_lives_in_underscored_files(file):
    assert file.name.startswith("_"), f"{file}: code lives in _x.py and is exported by the room's __init__.py."


@pytest.mark.parametrize("file", [f for f in FILES if f.name == "__init__.py" and f.parent != SOURCE], ids=str)
def test_room_indexes_are_pure(file):
    for number, node in enumerate(parse(file).body):
        docstring = number == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        exported = isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]
        index = isinstance(node, ast.ImportFrom) and all(alias.asname == alias.name for alias in node.names)
        assert docstring or exported or index, (
            f"{file}:{node.lineno}: an index holds only `from ._x import Name as Name`, found {ast.unparse(node)[:40]}"
        )


def test_files_are_short():
    python = [
        *FILES,
        *(file for folder in ("tests", "examples", "benchmarks") for file in (ROOT / folder).rglob("*.py")),
    ]
    lengths = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in python}
    long = {str(file.relative_to(ROOT)): length for file, length in lengths.items() if length > MAX_LINES}
    assert not long, (
        f"More than {MAX_LINES} lines: {long}. Find the second idea in the file and give it one of its own."
    )
    median = statistics.median(lengths[file] for file in FILES if file.name != "__init__.py")
    assert median <= MEDIAN_LINES, f"The median file has {median} lines; {MEDIAN_LINES} is the limit."


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_forbidden_words(file):
    tree = parse(file)
    asserts = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    assert not asserts, (
        f"{file}: assert on lines {asserts}; raise a ValueError that says what was needed and what to do."
    )
    for name, why in (("super", "classes are abstract or final"), ("hasattr", "use a protocol or an abstract class")):
        lines = calls(tree, name)
        assert not lines, f"{file}: {name}() on lines {lines}; {why} (DESIGN.md, Style 2)."
    bare = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise)
        and node.exc is not None
        and ast.unparse(node.exc).split("(")[0] in ("Exception", "BaseException")
    ]
    assert not bare, f"{file}: a bare Exception is raised on lines {bare}; say which error it is."


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_one_set_of_import_aliases(file):
    aliases = {"jax.numpy": "jnp", "jax.random": "jr", "jax.tree_util": "jtu", "equinox": "eqx", "functools": "ft"}
    for node in ast.walk(parse(file)):
        for alias in node.names if isinstance(node, ast.Import) else []:
            wanted = aliases.get(alias.name)
            assert wanted is None or alias.asname == wanted, (
                f"{file}:{node.lineno}: write `import {alias.name} as {wanted}`, as everywhere in linnet."
            )


# --- classes, docstrings, citations ----------------------------------------------------------------------------------


def definitions():
    """Every top-level class and function of linnet: (file, node)."""
    for file in FILES:
        for node in parse(file).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                yield file, node


CLASSES = {node.name: (file, node) for file, node in definitions() if isinstance(node, ast.ClassDef)}


def bases(node):
    return [ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases]


def descends(name, ancestor):
    """Whether a class of linnet has an ancestor of that name."""
    found = bases(CLASSES[name][1]) if name in CLASSES else []
    return ancestor in found or any(descends(base, ancestor) for base in found)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_concrete_classes_are_final(name):
    file, node = CLASSES[name]
    for base in bases(node):
        own = base in CLASSES and not base.startswith(("Abstract", "_Abstract"))
        error = own and any(descends(base, kind) for kind in ("Exception", "ValueError", "RuntimeError", "OSError"))
        protocol = own and "Protocol" in bases(CLASSES[base][1])
        assert not own or error or protocol, (
            f"{file}:{node.lineno}: {name} subclasses {base}, which is concrete. Abstract or final: wrap it,"
            " or lift what both share into an Abstract class."
        )


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_protocols_can_be_checked_at_run_time(name):
    file, node = CLASSES[name]
    if "Protocol" in bases(node):
        decorators = [ast.unparse(decorator).split(".")[-1] for decorator in node.decorator_list]
        assert "runtime_checkable" in decorators, (
            f"{file}:{node.lineno}: the protocol {name} needs @runtime_checkable, for the tests check annotations."
        )


def exports():
    """What the rooms export: (room, name), by the index of each room."""
    for file in FILES:
        if file.name == "__init__.py" and file.parent.parent == SOURCE:
            for node in ast.walk(parse(file)):
                if isinstance(node, ast.ImportFrom):
                    yield from ((file.parent.name, alias.asname or alias.name) for alias in node.names)


@pytest.mark.parametrize(("room", "name"), sorted(set(exports())))
def test_exports_have_docstrings(room, name):
    found = [(file, node) for file, node in definitions() if node.name == name and room_of(file) in {room} | BASE]
    for file, node in found:  # constants have none
        assert ast.get_docstring(node), f"{file}:{node.lineno}: {room}.{name} is public and has no docstring."


def cited(node):
    """The keys of a definition's @cite."""
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).split(".")[-1] == "cite":
            return [ast.literal_eval(key) for key in decorator.args]
    return []


def known_references():
    text = (SOURCE / "references.bib").read_text(encoding="utf-8")
    return re.findall(r"(?m)^@\w+\{([^,\s]+),", text)


def test_references_are_unique():
    keys = known_references()
    assert keys, "references.bib holds no entries."
    twice = sorted({key for key in keys if keys.count(key) > 1})
    assert not twice, f"references.bib has these keys more than once: {twice}."


def test_citations_are_in_the_bibliography():
    known = set(known_references())
    for file in FILES:
        for node in ast.walk(parse(file)):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                missing = set(cited(node)) - known
                assert not missing, (
                    f"{file}:{node.lineno}: {sorted(missing)} is cited and has no entry in references.bib."
                )


def test_theories_are_cited():
    theories = [name for name in CLASSES if descends(name, "AbstractTheory") and not name.startswith(("Abstract", "_"))]
    assert theories, "No class descends from AbstractTheory: this test has lost its subject."
    for name in theories:
        file, node = CLASSES[name]
        assert cited(node), f"{file}:{node.lineno}: the theory {name} has no @cite; every result has a source."


def test_the_whole_package_is_installed_from_here():
    spec = importlib.util.find_spec("linnet")
    assert spec is not None and Path(str(spec.origin)).resolve() == (SOURCE / "__init__.py").resolve(), (
        f"The tests run against {spec and spec.origin}, not this tree: `make test` installs it."
    )
