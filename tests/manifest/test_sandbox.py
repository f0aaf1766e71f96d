"""The sandbox: no template reaches Python, and none eats memory or time; each attack ends in a Fault at once."""

import ast
import resource
import sys
from pathlib import Path

import pytest
from jinja2 import TemplateSyntaxError, nodes
from small_manifests import Files

from kbatch.manifest import templates
from kbatch.manifest.drafts import FrameCall
from kbatch.manifest.templates.faults import Fault
from kbatch.manifest.templates.sandbox import Sandbox
from kbatch.manifest.templates.template import Templates
from kbatch.manifest.templates.work_budget import LONGEST_TEXT, WORK_LIMIT, Budget, TooMuch

FILES = Files(
    {
        "words.j2": "{% macro of(light) %}<{{ light }}>{% endmacro %}",
        "long.j2": "x{{ 1 }}" * 20_000,
        "itself.j2": "{% include 'itself.j2' %}",
    }
)
ROWS = [{"id": f"row {number}", "n": number} for number in range(2_000)]
SCOPE = {
    "brand": "Solstice",
    "n": 5,
    "row": {"name": "Parka", "items": 3},
    "data": {"rows": ROWS},
    "last_frame": lambda shot: FrameCall("last", shot, 1, ()),
}


def rendered(source: str) -> object:
    """Return what a template comes to, compiled and rendered."""
    template = Templates(FILES.read).compile(source)
    return template if isinstance(template, Fault) else template.render(SCOPE)


ESCAPES = {
    "class": "{{ ''.__class__.__mro__ }}",
    "class-by-subscript": "{{ ''['__class__'] }}",
    "class-by-parts": "{{ ''['__cla' ~ 'ss__'] }}",
    "class-by-attr-filter": "{{ '' | attr('__class__') }}",
    "class-by-map": "{{ [''] | map(attribute='__class__') | list }}",
    "class-by-sort": "{{ ['', 'a'] | sort(attribute='__class__') }}",
    "class-by-groupby": "{{ [''] | groupby('__class__') }}",
    "class-by-join": "{{ [''] | join(attribute='__class__') }}",
    "class-by-selectattr": "{{ [''] | selectattr('__class__') | list }}",
    "globals-of-a-function": "{{ last_frame.__globals__ }}",
    "code-of-a-function": "{{ last_frame.__code__.co_consts }}",
    "globals-of-a-class": "{{ namespace.__init__.__globals__ }}",
    "globals-of-a-global": "{{ range.__self__ }}",
    "subclasses": "{{ dict.__subclasses__() }}",
    "mro": "{{ dict.mro() }}",
    "context-of-the-template": "{{ self._TemplateReference__context }}",
    "environment-of-the-loop": "{% for a in [1] %}{{ loop._recurse }}{% endfor %}",
    "internals-of-a-macro": "{% macro m() %}{% endmacro %}{{ m._environment }}",
    "arguments-of-a-macro": "{% macro m() %}{% endmacro %}{{ m.arguments }}",
    "frame-of-a-generator": "{{ ([1] | map('int')).gi_frame }}",
    "globals-of-an-import": "{% import 'words.j2' as words %}{{ words.__dict__ }}",
    "format": "{{ '{0.__class__}'.format(brand) }}",
    "format-map": "{{ '{a.__class__}'.format_map({'a': brand}) }}",
    "format-by-subscript": "{{ '{0.__class__}'['format'](brand) }}",
    "format-filter": "{{ '%s' | format(brand) }}",
    "format-of-a-markup": "{% autoescape true %}{% set x %}{0.__class__}{% endset %}"
    "{{ x.format(brand) }}{% endautoescape %}",
    "xmlattr": "{{ {'a': 1} | xmlattr }}",
    "pprint": "{{ brand | pprint }}",
    "random": "{{ [1, 2] | random }}",
    "lipsum": "{{ lipsum(5) }}",
    "cycler": "{{ cycler('a', 'b') }}",
    "joiner": "{{ joiner(',') }}",
    "request": "{{ request.application }}",
    "fromkeys": "{{ dict.fromkeys([1]) }}",
    "translate": "{{ brand.translate({65: 66}) }}",
    "encode": "{{ brand.encode() }}",
    "to-bytes": "{{ (1).to_bytes(1000000000, 'big') }}",
    "as-integer-ratio": "{{ (0.1).as_integer_ratio() }}",
    "changing-a-list": "{{ data.rows.append(1) }}",
    "changing-a-mapping": "{{ row.update({'name': 'x'}) }}",
    "changing-by-pop": "{{ row.pop('name') }}",
    "test-of-a-name": "{{ 'upper' is filter }}",
    "callable": "{{ brand is callable }}",
}


@pytest.mark.parametrize("source", ESCAPES.values(), ids=ESCAPES)
def test_no_template_reaches_python(source: str) -> None:
    """Attributes, methods, filters and functions that are not on a list cannot be used, however they are spelled."""
    found = rendered(source)
    assert isinstance(found, Fault), found
    assert found.code in ("template-unsafe", "template-syntax", "unknown-name", "template-failed")


LOOP = "{% for i in range(9000) %}"  # alone it is well within the limits
END = "{% endfor %}"
BOMBS = {
    "multiplied-text": "{{ 'a' * 20000000 }}",
    "multiplied-text-the-other-way": "{{ 20000000 * 'a' }}",
    "multiplied-list": "{{ [1] * 100000000 }}",
    "padded-left": "{{ 'a'.ljust(90000000) }}",
    "padded-zeros": "{{ 'a'.zfill(90000000) }}",
    "centred": "{{ 'a'.center(90000000) }}",
    "centred-by-filter": "{{ 'a' | center(90000000) }}",
    "indented": "{{ 'a' | indent(90000000) }}",
    "tabs-expanded": "{{ '\\t'.expandtabs(90000000) }}",
    "batches": "{{ 'a' | batch(90000000, 'x') | list }}",
    "slices": "{{ 'a' | slice(90000000) | list }}",
    "wrapped": "{{ 'a' | wordwrap(1, wrapstring='x' * 90000) }}",
    "percent-width": "{{ '%900000d' % 1 }}",
    "percent-width-by-filter": "{{ '%900000d' | format(1) }}",
    "format-width": "{{ '{:900000d}'.format(1) }}",
    "replaced": "{{ ('a' * 90000) | replace('a', 'b' * 90000) }}",
    "replaced-nothing": "{{ ('a' * 90000) | replace('', 'b' * 90000) }}",
    "joined": "{{ (range(90000) | list) | join('x' * 90000) }}",
    "quoted-again-and-again": "{% set q = namespace(x='\"') %}" + LOOP + "{% set q.x = q.x | tojson %}" + END,
    "encoded-again-and-again": "{% set q = namespace(x='%') %}" + LOOP + "{% set q.x = q.x | urlencode %}" + END,
    "power": "{{ 10 ** 1000000 }}",
    "tower-of-powers": "{{ 9 ** 9 ** 9 }}",
    "negative-power": "{{ (-9) ** 99999 }}",
    "squared-again-and-again": "{% set q = namespace(x=3) %}" + LOOP + "{% set q.x = q.x * q.x %}" + END,
    "doubled-by-minus": "{% set q = namespace(x=1) %}" + LOOP + "{% set q.x = 0 - q.x - q.x %}" + END,
    "number-of-many-digits": "{{ ('f' * 90000) | int(base=16) }}",
    "ceiling-of-many-digits": "{{ 1 | round(1000000000, 'ceil') }}",
    "huge-range": "{{ range(10000000000) }}",
    "huge-range-as-list": "{{ range(5000000) | list | length }}",
    "range-over-64-bits": "{{ range(10 ** 16 * 10 ** 16) }}",
    "two-loops": LOOP + LOOP + END + END,
    "three-loops": LOOP + LOOP + LOOP + END + END + END,
    "loop-that-writes": LOOP + "long words " * 100 + END,
    "loop-that-filters-everything-out": LOOP + "{% for j in range(90000) if j == -1 %}{% endfor %}" + END,
    "loop-that-recurs": "{% for x in [1] recursive %}{{ loop([1, 1]) }}{% endfor %}",
    "loop-over-a-slice": "{% set l = range(90000) | list %}" + LOOP + "{% set x = l[1:] %}" + END,
    "loop-that-splits": "{% set s = 'a' * 90000 %}" + LOOP + "{% set x = s.split('b') %}" + END,
    "loop-that-searches-backwards": "{% set s = 'a' * 90000 %}"
    + LOOP
    + "{% set x = s.rfind('b' ~ 'a' * 45000) %}"
    + END,
    "loop-that-trims": "{% set s = 'a' * 90000 %}" + LOOP + "{% set x = s | trim('b' * 45000 ~ 'a') %}" + END,
    "loop-that-looks-in-a-list": "{% set l = range(90000) | list %}" + LOOP + "{% if -1 in l %}{% endif %}" + END,
    "loop-that-looks-in-a-range": "{% set r = range(90000) %}" + LOOP + "{% if 'a' in r %}{% endif %}" + END,
    "loop-that-looks-in-a-view": "{% set d = {'a': [1] * 90000} %}"
    + LOOP
    + "{% if 1 in d.values() %}{% endif %}"
    + END,
    "loop-that-counts": "{% set l = range(90000) | list %}" + LOOP + "{% set x = l.count(-1) %}" + END,
    "loop-that-tests": "{% set l = range(90000) | list %}" + LOOP + "{% if -1 is in l %}{% endif %}" + END,
    "loop-that-sorts": LOOP + "{% set x = data.rows | sort(attribute='id') %}" + END,
    "loop-that-includes": LOOP + "{% include 'long.j2' %}" + END,
    "macro-that-includes": "{% macro m() %}{% include 'long.j2' %}{% endmacro %}" + LOOP + "{% set x = m() %}" + END,
    "doubled-by-tilde": "{% set q = namespace(x='a') %}" + LOOP + "{% set q.x = q.x ~ q.x %}" + END,
    "doubled-by-plus": "{% set q = namespace(x='a') %}" + LOOP + "{% set q.x = q.x + q.x %}" + END,
    "doubled-by-set-block": "{% set q = namespace(x='a') %}"
    + LOOP
    + "{% set y %}{{ q.x }}{{ q.x }}{% endset %}{% set q.x = y %}"
    + END,
    "doubled-by-macro": "{% macro m(x) %}{{ x }}{{ x }}{% endmacro %}{{ " + "m(" * 40 + "'a'" + ")" * 40 + " }}",
    "doubled-by-nested-macros": "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}a{% endmacro %}"
    "{{ m(60) }}",
    "doubled-list": "{% set q = namespace(x=[1]) %}" + LOOP + "{% set q.x = q.x + q.x %}" + END,
    "nested-list": "{% set q = namespace(x=[1]) %}" + LOOP + "{% set q.x = [q.x, q.x] %}" + END,
    "nested-tuple": "{% set q = namespace(x=(1, 1)) %}" + LOOP + "{% set q.x = (q.x, q.x) %}" + END,
    "nested-mapping": "{% set q = namespace(x={}) %}" + LOOP + "{% set q.x = {'a': q.x, 'b': q.x} %}" + END,
    "nested-by-dict": "{% set q = namespace(x={}) %}" + LOOP + "{% set q.x = dict(a=q.x, b=q.x) %}" + END,
    "nested-deep": "{% set q = namespace(x=[]) %}" + LOOP + "{% set q.x = [q.x] %}" + END,
    "nested-by-arguments": "{% macro m(n) %}{% if n %}{{ m(n - 1, varargs, varargs) }}"
    "{% else %}{{ varargs | tojson }}{% endif %}{% endmacro %}{{ m(60, 1) }}",
    "nested-by-names": "{% macro m(n) %}{% if n %}{{ m(n - 1, a=kwargs, b=kwargs) }}"
    "{% else %}{{ kwargs | tojson }}{% endif %}{% endmacro %}{{ m(60, a=1) }}",
    "macro-that-calls-itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "macros-that-call-each-other": "{% macro a() %}{{ b() }}{% endmacro %}"
    "{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
    "caller-that-calls-itself": "{% macro m() %}{{ caller() }}{% endmacro %}"
    "{% macro n() %}{% call m() %}{{ n() }}{% endcall %}{% endmacro %}{{ n() }}",
    "include-of-itself": "{% include 'itself.j2' %}",
    "block-of-itself": "{% block a %}{{ self.a() }}{% endblock %}",
    "parentheses": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "brackets": "{{ " + "[" * 5000 + "]" * 5000 + " }}",
    "long-sum": "{{ 1" + " + 1" * 15_000 + " }}",
    "many-sums": ("{{ 1" + " + 1" * 300 + " }}") * 40,
    "not-not-not": "{{ " + "not " * 20_000 + "true }}",
    "nested-ifs": "{% if true %}" * 3000 + "{% endif %}" * 3000,
    "long-source": "{{ brand }}" * 7_000,
    "percent-width-of-a-list": "{{ '%900000d %900000d' % (1, 2) }}",
    "format-width-by-item": "{{ 'a'['format'](90000000) }}",
    "format-width-by-attribute": "{{ ['{:900000000d}'] | map(attribute='format') | list | first }}",
    "doubled-by-set-chain": "{% set a = 'ab' %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}",
    "doubled-by-set-block-chain": "{% set a = 'ab' %}" + "{% set a %}{{ a }}{{ a }}{% endset %}" * 40 + "{{ a }}",
    "doubled-by-with": "{% with a = 'ab' %}" + "{% with a = a ~ a %}" * 15 + "{{ a * 9 }}" + "{% endwith %}" * 16,
    "doubled-by-filter-chain": "{{ 'a'" + " | replace('a', 'aa')" * 40 + " }}",
    "doubled-by-filter-block": "{% filter replace('a', 'a' * 900) %}{% filter replace('a', 'a' * 900) %}a"
    "{% endfilter %}{% endfilter %}",
    "doubled-by-call-block": "{% macro m() %}{{ caller() }}{{ caller() }}{% endmacro %}"
    + "{% call m() %}" * 18
    + "a"
    + "{% endcall %}" * 18,
    "doubled-list-by-set-chain": "{% set a = [1] %}" + "{% set a = [a, a] %}" * 40 + "{{ a | tojson }}",
    "doubled-list-by-unpacking": "{% set a = [1] %}" + "{% set a, b = (a + a, 1) %}" * 40,
    "joined-texts-of-a-list": "{{ (['x' * 90000] * 90000) | join }}",
    "joined-attributes": "{{ ([{'a': 'x' * 90000}] * 9000) | join(attribute='a') }}",
    "joined-lists-in-a-loop": LOOP + "{% set x = range(9000) | join %}" + END,
    "chained-filters-in-a-loop": LOOP + "{% set x = data.rows | map(attribute='n') | sort | unique | list %}" + END,
    "summed-lists": "{{ ([[1] * 90000] * 9000) | sum(start=[]) }}",
    "macro-that-calls-itself-with-more": "{% macro m(a) %}{{ m(a ~ a) }}{% endmacro %}{{ m('ab') }}",
    "macro-by-default-argument": "{% macro m(a, b=a * 90000) %}{{ b * 90000 }}{% endmacro %}{{ m('a') }}",
    "loop-that-recurs-on-itself": "{% for x in [[1]] recursive %}{{ loop(x) }}{{ loop([x, x]) }}{% endfor %}",
    "loop-that-recurs-over-a-range": "{% for x in range(90) recursive %}{{ loop(range(90)) }}{% endfor %}",
    "loop-of-its-items": LOOP + "{% for j in loop.cycle(range(9000), range(9000)) %}{% endfor %}" + END,
    "loop-that-imports": LOOP + "{% import 'long.j2' as x %}" + END,
    "loop-in-an-else": "{% for i in [] %}{% else %}" + LOOP + LOOP + END + END + END,
    "loop-in-a-condition": "{% if false %}{% elif true %}" + LOOP + LOOP + END + END + "{% endif %}",
    "loop-in-a-block": "{% block b %}" + LOOP + LOOP + END + END + "{% endblock %}",
    "slice-in-a-loop": "{% set s = 'a' * 90000 %}" + LOOP + "{% set x = s[::-1] %}" + END,
    "comparison-in-a-loop": "{% set l = range(9000) | list %}" + LOOP + "{% set x = l < l and l == l %}" + END,
    "mapping-in-a-loop": LOOP + "{% set x = dict(" + ", ".join(f"a{n}=1" for n in range(90)) + ") %}" + END,
    "escaped-again-and-again": "{% autoescape true %}{% set q = namespace(x='<' | string) %}"
    + LOOP
    + "{% set q.x %}{{ q.x }}&{% endset %}"
    + END
    + "{% endautoescape %}",
}


@pytest.mark.parametrize("source", BOMBS.values(), ids=BOMBS)
def test_no_template_eats_memory_or_time(source: str) -> None:
    """A template that would, ends as a Fault, long before it holds a hundred megabytes more."""
    before = _peak_bytes()
    found = rendered(source)
    assert isinstance(found, Fault), found
    assert found.code.startswith("template-")
    assert _peak_bytes() - before < 100_000_000


def test_only_jinjas_public_names_are_used() -> None:
    """Jinja's compiler and parser and names with an underscore may change with any release; `jinja2.nodes` may not."""
    private = ("compiler", "idtracking", "lexer", "optimizer", "parser", "visitor")
    for path in Path(templates.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jinja2"):
                names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
                assert not [name for name in names if name in private or name[0] == "_"], f"{path.name}: {names}"
            elif isinstance(node, ast.Name | ast.Attribute):
                name = node.id if isinstance(node, ast.Name) else node.attr
                assert "CodeGenerator" not in name, f"{path.name}:{node.lineno} {name}"
                assert name != "code_generator_class", f"{path.name}:{node.lineno}"


@pytest.mark.parametrize(
    "node",
    [
        nodes.Break(),
        nodes.Continue(),
        nodes.ExprStmt(nodes.Const(1)),
        nodes.Output([nodes.ContextReference()]),
        nodes.Output([nodes.EnvironmentAttribute("loader")]),
        nodes.Output([nodes.ImportedName("os.system")]),
        nodes.Output([nodes.ExtensionAttribute("x", "y")]),
    ],
    ids=lambda node: type(node).__name__,
)
def test_a_node_that_is_not_on_the_list_is_refused(node: nodes.Node) -> None:
    """A statement or expression that no manifest's text makes today is not compiled when a later Jinja makes it."""
    with pytest.raises(TemplateSyntaxError, match="is not allowed in a template"):
        Sandbox().from_string(nodes.Template([node], lineno=1))


@pytest.mark.parametrize("name", ["spend", "environment.spend", "self.environment", "each", "made"])
def test_no_template_reaches_its_metering(name: str) -> None:
    """The functions that a metered tree calls have no name in a template."""
    assert isinstance(rendered(f"{{{{ {name}(-1000000) }}}}"), Fault)
    assert isinstance(rendered(f"{{{{ [1] | map('{name}') | list }}}}"), Fault)


def _peak_bytes() -> int:
    """Return the most memory that this process ever had; macOS counts bytes, Linux kibibytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def test_a_bomb_is_tried_once() -> None:
    """What did too much work for one job is not tried again for the next ten thousand."""
    template = Templates(FILES.read).compile(BOMBS["two-loops"])
    assert not isinstance(template, Fault)
    first = template.render(SCOPE)
    assert all(template.render(SCOPE) is first for _ in range(10_000))


def test_heavy_templates_share_a_limit() -> None:
    """Renderings that are each allowed alone are stopped together, before they take minutes."""
    budget = Budget()

    def render_heavily(times: int) -> None:
        for _ in range(times):
            budget.start()
            budget.spend(WORK_LIMIT - 1)

    render_heavily(50)
    with pytest.raises(TooMuch, match="the manifest's templates do too much work"):
        render_heavily(1_000)


def test_light_templates_never_use_up_the_common_limit() -> None:
    """A manifest of many jobs renders as often as it has to."""
    template = Templates(FILES.read).compile("{{ brand }} {{ row.name | upper }}")
    assert not isinstance(template, Fault)
    assert {str(template.render(SCOPE)) for _ in range(5_000)} == {"Solstice PARKA"}


USES = {
    "text": ("{{ brand }} at {{ n }}", "Solstice at 5"),
    "field-before-method": ("{{ row.items }} {{ row['name'] }}", "3 Parka"),
    "method": ("{{ brand.upper() }} {{ 'a-b'.split('-') | join('+') }}", "SOLSTICE a+b"),
    "filters": ("{{ [3, 1, 2] | sort | join(', ') }} {{ 'ab' | capitalize | trim }}", "1, 2, 3 Ab"),
    "loop": (
        "{% for r in data.rows[:3] %}{{ loop.index }}={{ r.n }}{{ ' ' if not loop.last }}{% endfor %}",
        "1=0 2=1 3=2",
    ),
    "if-without-else-alone": ("{{ 'x' if n == 6 }}", ""),
    "loop-with-else": ("{% for r in [] %}x{% else %}none{% endfor %}", "none"),
    "loop-over-a-mapping": ("{% for k, v in row | items %}{{ k }}:{{ v }} {% endfor %}", "name:Parka items:3 "),
    "loop-that-cycles": ("{% for i in range(3) %}{{ loop.cycle('a', 'b') }}{% endfor %}", "aba"),
    "chosen-rows": ("{{ (data.rows | selectattr('n', 'eq', 7) | first).id }}", "row 7"),
    "groups": ("{% for g in [row] | groupby('name') %}{{ g.grouper }} {{ g.list | length }}{% endfor %}", "Parka 1"),
    "macro": ("{% macro m(a, b='x') %}{{ a }}{{ b }}{% endmacro %}{{ m('q') }}", "qx"),
    "imported-macro": ("{% import 'words.j2' as words %}{{ words.of('dusk') }}", "<dusk>"),
    "macro-imported-by-name": ("{% from 'words.j2' import of %}{{ of('dusk') }}", "<dusk>"),
    "caller": ("{% macro m() %}({{ caller(1) }}){% endmacro %}{% call(x) m() %}{{ x }}{% endcall %}", "(1)"),
    "namespace": ("{% set q = namespace(n=0) %}{% for i in [1, 2] %}{% set q.n = q.n + i %}{% endfor %}{{ q.n }}", "3"),
    "set-block": ("{% set x %}a{{ n }}{% endset %}{{ x | upper }}", "A5"),
    "arithmetic": ("{{ 7 // 2 }} {{ 7 % 4 }} {{ 2 ** 8 }} {{ -n }} {{ 1.5 * 2 }} {{ 7 / 2 }}", "3 3 256 -5 3.0 3.5"),
    "repeated": ("{{ 'ab' * 3 }} {{ ([1] + [2]) | length }}", "ababab 2"),
    "compared": ("{{ 'yes' if 3 < n <= 5 and 'o' in brand else 'no' }}", "yes"),
    "tests": (
        "{{ n is odd }} {{ nope is defined }} {{ n is divisibleby 5 }} {{ row is mapping }}",
        "true false true true",
    ),
    "default": ("{{ nope | default('calm') }} {{ none | default('dusk', true) }}", "calm dusk"),
    "slices": ("{{ brand[:3] }} {{ brand[::-1] }} {{ [1, 2, 3][1:] | join }}", "Sol ecitsloS 23"),
    "rounded": ("{{ 2.345 | round(1) }} {{ 2.1 | round(method='ceil') }} {{ 2.9 | round(0, 'floor') }}", "2.3 3.0 2.0"),
    "json": ("{{ {'a': [1, 'é']} | tojson }}", '{"a": [1, "é"]}'),
    "slug": ("{{ 'Golden Hour' | slug }}", "golden-hour"),
    "truth-as-yaml-writes-it": ("a {{ true }} {{ 1 == 2 }}", "a true false"),
    "filter-with-arguments": ("{{ 'abcdef' | truncate(4, true, '!', 0) }} {{ 'xax' | trim('x') }}", "abc! a"),
    "comment": ("a{# nothing #}b", "ab"),
    "raw": ("{% raw %}{{ brand }}{% endraw %}", "{{ brand }}"),
    "whitespace-control": ("a  {{- n -}}  b", "a5b"),
}


@pytest.mark.parametrize(("source", "expected"), USES.values(), ids=USES)
def test_what_a_prompt_needs_works(source: str, expected: str) -> None:
    """The hardened language still has loops, macros, imports, arithmetic and the filters that texts need."""
    assert rendered(source) == expected


def test_the_limits_leave_room_for_prompts() -> None:
    """A text twenty times as long as any model takes, and a walk over thousands of rows, are well within the limits."""
    ids = ", ".join(str(row["id"]) for row in ROWS)
    assert rendered("{{ data.rows | map(attribute='id') | join(', ') | length }}") == len(ids)
    assert LONGEST_TEXT >= 20 * 4_000
    assert 100 * len(ROWS) <= WORK_LIMIT
