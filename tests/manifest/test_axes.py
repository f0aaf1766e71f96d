"""Axes: from lists, templates and data rows, their labels and names, and the rules on them."""

import pytest
from small_manifests import Resolved, drafted, resolved

from kbatch.manifest.matrix.axes import ALWAYS, RESERVED


def of_matrix(matrix: str, top: str = "") -> Resolved:
    """Return what a shot with this matrix comes to; its prompt uses every axis."""
    return resolved(f'{top}\nshots:\n  - id: hero\n    prompt: "{{{{ matrix | tojson }}}}"\n    matrix: {matrix}\n')


def test_labels_make_the_address() -> None:
    """Scalars are named by themselves, mappings by their id, in declared order."""
    found = of_matrix("{city: [São Paulo, 東京], look: [{id: Warm & Soft, tint: 3}], n: [2.5, true]}")
    assert found.problems == ()
    assert found.addresses == [
        "hero[city=são-paulo,look=warm-soft,n=2.5]",
        "hero[city=são-paulo,look=warm-soft,n=true]",
        "hero[city=東京,look=warm-soft,n=2.5]",
        "hero[city=東京,look=warm-soft,n=true]",
    ]


def test_values_keep_their_types() -> None:
    """What a template gets is the value itself, not its label."""
    found = drafted('shots: [{id: hero, prompt: a, params: {cfg_scale: "{{ n }}"}, matrix: {n: [1, 0.5]}}]')
    assert [draft.params["cfg_scale"] for draft in found.drafts] == [1, 0.5]


def test_axes_come_from_templates_and_rows() -> None:
    """A template that yields a list is an axis: of data rows, of a variable, of a filter's result, of a range."""
    found = drafted(
        """
        vars: {moods: [calm, wild], by_day: {lights: [dawn, noon]}}
        data: {products: products.csv}
        shots:
          - id: hero
            prompt: "{{ product.name }} {{ mood }} {{ light }} {{ n }}"
            matrix:
              product: "{{ data.products | rejectattr('id', 'eq', 'flask') }}"
              mood: "{{ moods }}"
              light: "{{ by_day.lights | reverse }}"
              n: "{{ range(1, 2) }}"
        """,
        {"products.csv": "id,name\nparka,Parka\nflask,Flask\n"},
    )
    assert found.addresses == [
        "hero[product=parka,mood=calm,light=noon,n=1]",
        "hero[product=parka,mood=calm,light=dawn,n=1]",
        "hero[product=parka,mood=wild,light=noon,n=1]",
        "hero[product=parka,mood=wild,light=dawn,n=1]",
    ]
    assert found.prompts[0] == "Parka calm noon 1"


def test_values_and_rules_may_hold_templates() -> None:
    """Templates stand in single values, inside a mapping, and in include and exclude."""
    found = drafted(
        """
        vars: {home: Lisbon, far: Oslo}
        shots:
          - id: hero
            prompt: "{{ city.name }} {{ mood | default('calm') }}"
            matrix:
              city: [{id: home, name: "{{ home }}"}, {id: far, name: "{{ far }}"}, {id: gone, name: x}]
              exclude: [{city: "{{ 'gone' }}"}]
              include: [{city: far, mood: "{{ home | lower }}"}]
        """
    )
    assert found.prompts == ["Lisbon calm", "Oslo lisbon"]


def test_a_matrix_at_the_top_is_outermost_for_every_shot() -> None:
    """Each shot's own combinations are crossed with the top-level ones, whose rules apply to them alone."""
    found = drafted(
        """
        matrix: {product: [parka, flask], exclude: [{product: flask}], include: [{product: rope}]}
        shots:
          - {id: hero, prompt: "{{ product }} {{ city }}", matrix: {city: [Rome, Oslo]}}
          - {id: still, prompt: "{{ product }}"}
        """
    )
    assert found.addresses == [
        "hero[product=parka,city=rome]",
        "hero[product=parka,city=oslo]",
        "hero[product=rope,city=rome]",
        "hero[product=rope,city=oslo]",
        "still[product=parka]",
        "still[product=rope]",
    ]


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_word_with_a_meaning_names_no_axis(name: str) -> None:
    """A name that templates give another meaning would silently not be the axis."""
    assert of_matrix(f'{{"{name}": [a]}}').codes == ["name-reserved"]


@pytest.mark.parametrize("name", sorted(RESERVED - {"range", "dict", "namespace"}))
def test_a_word_with_a_meaning_names_no_variable(name: str) -> None:
    """Nor would it be the variable."""
    found = resolved(f'vars: {{"{name}": a}}\nshots: [{{id: hero, prompt: a}}]')
    assert found.codes == ["name-reserved"]


def test_the_names_that_are_always_there_are_there() -> None:
    """Each reserved name of a template's scope can be used."""
    found = drafted('shots: [{id: hero, prompt: "{{ [vars, data, matrix, shot.id, take, slug, labels] | length }}"}]')
    assert found.prompts == ["7"]
    assert len(ALWAYS) == 9


@pytest.mark.parametrize("name", ["time-of-day", "2nd", "a b", "a.b", "", "é-è"])
def test_an_axis_is_named_as_templates_can_use_it(name: str) -> None:
    """Letters, digits and `_`, not a digit first; else it could not be used."""
    assert set(of_matrix(f'{{"{name}": [a]}}').codes if name else ["axis-name"]) == {"axis-name"}


def test_an_axis_may_have_a_name_of_any_script() -> None:
    """Letters are those of any script."""
    assert of_matrix("{città: [Roma]}").addresses == ["hero[città=roma]"]


def test_unused_axes_are_warned_of_once() -> None:
    """An axis that changes nothing is a warning; one that is used by label, zip, include, `when` or `matrix` is not."""
    used = drafted(
        """
        shots:
          - id: hero
            prompt: "{{ country }} {{ mood | default('') }}."
            labels: {a: "{{ labelled }}"}
            when: asked
            matrix:
              city: [Rome, Oslo]
              country: [Italy, Norway]
              light: [dawn, dusk]
              labelled: [x]
              asked: [true]
              zip: [[city, country]]
              include: [{light: dusk, mood: wild}]
        """
    )
    assert len(used.drafts) == 4
    unused = resolved('shots: [{id: hero, prompt: "{{ a }}", matrix: {a: [1, 2], b: [1, 2, 3]}}]')
    (warning,) = unused.problems
    assert (warning.code, warning.fatal) == ("unused-axis", False)
    assert "its 3 values make identical jobs" in warning.message
    assert len(unused.drafts) == 6


def test_an_axis_that_a_prompt_file_uses_is_used() -> None:
    """What is read from a prompt file counts."""
    found = drafted("shots: [{id: hero, prompt_file: p.txt, matrix: {a: [1]}}]", {"p.txt": "number {{ a }}"})
    assert found.prompts == ["number 1"]
