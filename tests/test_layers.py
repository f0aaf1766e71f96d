"""The architecture, held over the syntax tree: one direction of imports, pure stages, one door each for what acts."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "kbatch"
ORDER = (
    "errors", "gc_pause", "_version", "storage", "simulator", "media", "manifest", "models", "receipts", "planner",
    "providers", "runner", "report", "pipeline", "cli", "api",
)  # fmt: skip
"""Each room needs only those before it; `simulator` needs nothing but `errors` and `storage`."""

PURE = ("errors", "manifest", "models", "planner", "providers", "report", "receipts", "simulator")
ACTS = {
    "receipts/journal/journal", "receipts/store", "receipts/journal/history", "providers/http/",
    "providers/plugins", "providers/registry",
    "simulator/server", "simulator/listen", "simulator/webhook_sender", "simulator/clips/renderer",
    "simulator/clips/encode", "simulator/clips/fonts", "report/preview/",
}  # fmt: skip
"""What acts in a room that is pure else: modules, or folders with all that is in them."""

MOST_MODULES = 15
CROWDED = {"kbatch/cli/commands": 26, "kbatch/runner": 16}
"""Folders that may hold more than `MOST_MODULES`: a file for each command, and the runner's own parts."""

IMPURE_MODULES = {
    "anyio", "asyncio", "httpx", "os", "random", "secrets", "shutil", "signal", "socket", "subprocess", "sys",
    "tempfile", "threading", "time", "trio", "urllib.request", "uuid",
}  # fmt: skip
DISK_METHODS = {
    "read_text", "write_text", "write_bytes", "mkdir", "unlink", "rmdir", "rename", "symlink_to", "hardlink_to",
    "touch",
}  # fmt: skip


@cache
def modules() -> list[str]:
    """Return every module of the package as a path without suffix."""
    found = (path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.rglob("*.py"))
    return sorted(name for name in found if name not in ("__init__", "__main__"))


@cache
def tree(module: str) -> ast.Module:
    """Return a module's syntax tree."""
    return ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))


def imports(module: str) -> Iterator[tuple[str, ast.AST]]:
    """Yield the dotted name of everything that a module imports, type-only imports and lazy ones included."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node


@cache
def own_imports(module: str) -> set[str]:
    """Return the kbatch modules that a module imports, as paths."""
    known = set(modules()) | {name.removesuffix("/__init__") for name in modules()}
    found = set()
    for name, _ in imports(module):
        path = name.removeprefix("kbatch.").replace(".", "/")
        if name.startswith("kbatch.") and path in known:
            found.add(path)
    return found - {module.removesuffix("/__init__")}


def stage(module: str) -> str:
    """Return the stage that a module belongs to: its folder, or itself at the top."""
    return module.split("/", maxsplit=1)[0]


def acts(module: str) -> bool:
    """Tell whether a module is one that acts, or lies in a folder that does."""
    return any(module == name or (name.endswith("/") and module.startswith(name)) for name in ACTS)


@pytest.mark.parametrize("module", modules())
def test_imports_point_one_way(module: str) -> None:
    """A stage imports only the stages before it, and its own modules."""
    for needed in own_imports(module):
        if stage(needed) != stage(module):
            assert ORDER.index(stage(needed)) < ORDER.index(stage(module)), f"{module} imports {needed}"


def test_the_simulator_shares_nothing_with_the_providers() -> None:
    """The simulator imports errors and storage only, so that its bill is an opinion of its own."""
    for module in modules():
        if stage(module) == "simulator":
            assert {stage(needed) for needed in own_imports(module)} <= {"simulator", "errors", "storage"}, module


def test_no_module_is_part_of_a_circle() -> None:
    """No chain of imports, type-only and lazy ones included, leads back to where it began; a command's door apart."""
    graph = {module: own_imports(module) for module in modules()}
    graph["cli/main"] = {needed for needed in graph["cli/main"] if not needed.startswith("cli/commands/")}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " → ".join((*path, module))
        if module not in done:
            for needed in graph.get(module, graph.get(f"{module}/__init__", set())):
                visit(needed, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("module", [name for name in modules() if stage(name) in PURE and not acts(name)])
def test_pure_stages_have_no_io_clock_or_randomness(module: str) -> None:
    """A pure module imports nothing that acts, opens nothing and asks no clock."""
    for name, _ in imports(module):
        assert name not in IMPURE_MODULES, f"{module} imports {name}"
        assert name.split(".")[0] not in ("anyio", "httpx", "asyncio", "subprocess", "socket"), (
            f"{module} imports {name}"
        )
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("open", "input", "print"), f"{module}:{node.lineno} calls {called}"
            assert called not in ("datetime.now", "datetime.utcnow", "date.today"), f"{module}:{node.lineno} {called}"


def test_a_confirmed_plan_is_made_in_one_place_only() -> None:
    """Only `planner/approval/consent` calls the constructor of ConfirmedPlan."""
    makers = {
        module
        for module in modules()
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "ConfirmedPlan"
    }
    assert makers == {"planner/approval/consent"}


def test_each_http_library_is_imported_by_its_transport_only() -> None:
    """The transport is the only way out, and knows no library; httpx also picks the trusted certificates."""
    users = {
        library: {module for module in modules() for name, _ in imports(module) if name.split(".")[0] == library}
        for library in ("httpx", "aiohttp")
    }
    assert users == {
        "httpx": {"providers/http/httpx_transport", "providers/http/tls"},
        "aiohttp": {"providers/http/aiohttp_transport"},
    }
    transports = tuple(f"kbatch.providers.http.{name}_transport" for name in ("httpx", "aiohttp"))
    importers = {module for module in modules() for name, _ in imports(module) if name.startswith(transports)}
    assert importers == {"providers/http/client"}


def test_a_program_is_started_where_it_is_known() -> None:
    """Git, ssh-keygen, kbatch itself for an agent, and the commands that a user's own file of budgets names."""
    starters = {module for module in modules() for name, _ in imports(module) if name.split(".")[0] == "subprocess"}
    assert starters == {"storage/git/git_program", "storage/ssh_signature", "runner/limits/budgets/alerts"}
    own = {
        module
        for module in modules()
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("anyio.open_process", "anyio.run_process")
    }
    assert own == {"cli/agent/own_command", "runner/limits/budgets/alerts"}


def test_a_paying_request_is_made_in_one_place_only() -> None:
    """Only `runner/submit/submit` asks a provider for the paying call."""
    makers = {
        module
        for module in modules()
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "submit"
    }
    assert makers == {"runner/submit/submit"}


def test_only_storage_touches_the_disk() -> None:
    """No other module opens, writes, renames or removes a file; decoders of bytes and click's `paper` are no disk."""
    for module in modules():
        if stage(module) == "storage":
            continue
        for node in ast.walk(tree(module)):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            assert called != "open", f"{module}:{node.lineno} opens a file"
            method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            assert method not in DISK_METHODS or called == "paper.write_text", f"{module}:{node.lineno} calls {called}"


def test_only_console_and_the_commands_print() -> None:
    """`print`, `click.echo` and rich's console stand in `cli` only."""
    for module in modules():
        if stage(module) == "cli":
            continue
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in ("print", "click.echo", "Console"), f"{module}:{node.lineno}"


def test_submit_is_never_retried_by_a_library() -> None:
    """No retry library is imported anywhere: what may be sent again is decided in `runner/submit/submit`."""
    for module in modules():
        for name, _ in imports(module):
            assert name.split(".")[0] not in ("stamina", "tenacity", "backoff", "httpx_retries"), module


def test_every_room_says_what_it_is_for() -> None:
    """Each folder of modules begins with a sentence, and holds few enough files to be read from `ls`."""
    for folder in sorted({path.parent for path in PACKAGE.rglob("*.py")}):
        name = folder.relative_to(PACKAGE.parent).as_posix()
        assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))), name
        count = len([path for path in folder.glob("*.py") if path.stem != "__init__"])
        assert count <= CROWDED.get(name, MOST_MODULES), f"{name} holds {count} modules"
