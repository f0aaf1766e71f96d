"""Puts metering into a template's syntax tree: an allow-list of Jinja's public nodes, each paid for where it costs.

What Jinja would leave to Python, and so unmetered, becomes a call of a function of the environment, which no template
can name; any other node, such as one that a later release or an extension adds, is refused.
"""

from collections.abc import Iterable

from jinja2 import TemplateAssertionError, nodes

_ALLOWED = frozenset(
    (
        nodes.Template, nodes.Output, nodes.TemplateData, nodes.Extends, nodes.Block, nodes.Include, nodes.Import,
        nodes.FromImport, nodes.For, nodes.If, nodes.Macro, nodes.CallBlock, nodes.FilterBlock, nodes.With,
        nodes.Assign, nodes.AssignBlock, nodes.Scope, nodes.ScopedEvalContextModifier,
        nodes.Name, nodes.NSRef, nodes.Const, nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair, nodes.Keyword,
        nodes.CondExpr, nodes.Filter, nodes.Test, nodes.Call, nodes.Getitem, nodes.Getattr, nodes.Slice, nodes.Concat,
        nodes.Compare, nodes.Operand, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow,
        nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos,
    )
)  # fmt: skip
_BODIES = ("body", "else_")


def meter(tree: nodes.Template) -> nodes.Template:
    """Return the tree with its metering put in; the tree itself is changed."""
    _meter(tree)
    return tree


def _meter(node: nodes.Node) -> nodes.Node:
    """Return what stands in place of a node: itself, or a call of a meter."""
    if type(node) not in _ALLOWED:
        raise TemplateAssertionError(f"`{type(node).__name__.lower()}` is not allowed in a template", node.lineno)
    for field, value in list(node.iter_fields()):
        if isinstance(value, nodes.Node):
            setattr(node, field, _meter(value))
        elif isinstance(value, list):
            # whatever can run again pays for what stands in it, each time
            price = [_spend(value)] if field in _BODIES and value else []
            setattr(node, field, price + [_meter(part) if isinstance(part, nodes.Node) else part for part in value])
    match node:
        case nodes.For():
            node.iter = _call("each", node.iter)
        case nodes.Compare():
            node.expr = _call("compared", node.expr)
        case nodes.Operand():
            node.expr = _call("compared", node.expr)
        case nodes.Concat():
            return _call("chained", *node.nodes)
        case nodes.Getitem(arg=nodes.Slice() as cut):
            parts = (part or nodes.Const(None) for part in (cut.start, cut.stop, cut.step))
            return _call("sliced", node.node, *parts)
        case nodes.List() | nodes.Dict() | nodes.Tuple(ctx="load"):
            return _call("made", node)
    return node


def _spend(body: Iterable[nodes.Node]) -> nodes.Node:
    return nodes.ExprStmt(_call("spend", nodes.Const(sum(map(_size, body)))))


def _call(name: str, *arguments: nodes.Node) -> nodes.Expr:
    return nodes.Call(nodes.EnvironmentAttribute(name), list(arguments), [], None, None)


def _size(node: nodes.Node) -> int:
    """Return how many nodes a piece of a template has."""
    return 1 + sum(map(_size, node.iter_child_nodes()))
