"""The names that a template takes from its scope, as dotted paths in the order in which they stand."""

from collections.abc import Callable, Iterator

from jinja2 import Environment, TemplateSyntaxError, nodes

from kbatch.manifest.yaml.source import read_text

_PARSER = Environment(autoescape=True)  # it only parses; what is rendered goes through the sandbox
_DEEPEST = 5


def dotted_names(source: str, read: Callable[[str], bytes]) -> tuple[str, ...]:
    """Return the free names of a template, those of the files that it includes too; none where it cannot be parsed.

    >>> dotted_names("{{ brand }} {{ product.name | upper }}", bytes)
    ('brand', 'product.name')
    """
    return tuple(dict.fromkeys(_names(source, read, _DEEPEST)))


def _names(source: str, read: Callable[[str], bytes], depth: int) -> Iterator[str]:
    try:
        tree = _PARSER.parse(source)
    except TemplateSyntaxError:
        return
    bound = {name.name for name in tree.find_all(nodes.Name) if name.ctx != "load"}
    yield from _walk(tree, bound)
    for include in tree.find_all(nodes.Include) if depth else ():
        if isinstance(include.template, nodes.Const):
            yield from _names(_text(read(include.template.value)), read, depth - 1)


def _text(data: bytes) -> str:
    text = read_text(data, "")
    return text if isinstance(text, str) else ""


def _walk(node: nodes.Node, bound: set[str]) -> Iterator[str]:
    """Yield names that no loop, `set` or macro of the template binds."""
    name = _dotted(node)
    if name is not None:
        if name.split(".")[0] not in bound:
            yield name
        return
    for child in node.iter_child_nodes():
        yield from _walk(child, bound)


def _dotted(node: nodes.Node) -> str | None:
    match node:
        case nodes.Name(name=name):
            return name
        case nodes.Getattr(node=inner, attr=attribute):
            base = _dotted(inner)
            return None if base is None else f"{base}.{attribute}"
        case nodes.Getitem(node=inner, arg=nodes.Const(value=str(key))):
            base = _dotted(inner)
            return None if base is None else f"{base}.{key}"
        case _:
            return None
