"""Names of clips: templates over all that a job is; what cannot be a name is said before anything is spent."""

import pytest

from tests.campaign_rig import AIMLAPI, AIMLAPI_PRICE, Rig

BODY = """{price}
output: {{dir: clips, name: "{name}"}}
shots:
  - id: hero
    model: kling-2.6
    prompt: "{{{{ city }}}}"
    labels: {{market: "m-{{{{ city }}}}"}}
    takes: 2
    params: {{duration: 5, generate_audio: false}}
    matrix: {{city: [New York, Oslo]}}
  - id: other
    provider: aimlapi
    model: {model}
    prompt: x
    labels: {{market: all}}
    params: {{image_url: a.png}}
    matrix: {{city: [Rome]}}
"""


def write(rig: Rig, name: str) -> None:
    """Write a campaign with this template of names."""
    rig.picture("a.png")
    rig.write(BODY.format(price=AIMLAPI_PRICE, model=AIMLAPI, name=name))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        pytest.param("{{ slug }}.mp4", ["hero-city-new-york-2.mp4", "hero-city-new-york.mp4", "hero-city-oslo-2.mp4",
                                        "hero-city-oslo.mp4", "other-city-rome.mp4"], id="default"),
        pytest.param("{{ shot.id }}/{{ city | slug }}/{{ take }}.mp4",
                     ["hero/new-york/1.mp4", "hero/new-york/2.mp4", "hero/oslo/1.mp4", "hero/oslo/2.mp4",
                      "other/rome/1.mp4"], id="shot-axis-take"),
        pytest.param("{{ provider }}/{{ model | slug }}/{{ labels.market | slug }}-{{ take }}.mp4",
                     ["aimlapi/kling-video-v2.1-pro-image-to-video/all-1.mp4", "apiframe/kling-2.6/m-new-york-1.mp4",
                      "apiframe/kling-2.6/m-new-york-2.mp4", "apiframe/kling-2.6/m-oslo-1.mp4",
                      "apiframe/kling-2.6/m-oslo-2.mp4"], id="provider-model-label"),
    ],
)  # fmt: skip
def test_a_template_knows_all_that_a_job_is(rig: Rig, name: str, wanted: list[str]) -> None:
    """Shot, axes, take, model, provider and labels; the files lie there after a run, and after another."""
    write(rig, name)
    assert rig.run().code == 0
    assert list(rig.clips()) == [f"clips/{one}" for one in wanted]
    assert rig.run().code == 0
    assert list(rig.clips()) == [f"clips/{one}" for one in wanted]
    assert len(rig.charges()) == 5


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("{{ shot.id }}.mp4", "have the same output", id="two-jobs-one-name"),
        pytest.param("{{ 'xX'[take - 1] }}-{{ city | slug }}.mp4", "have the same output", id="apart-by-case-only"),
        pytest.param("{{ slug }}.mov", "must end in `.mp4`", id="another-ending"),
        pytest.param("../{{ slug }}.mp4", "leads out of the output folder", id="outside"),
        pytest.param("{{ city }}:{{ take }}.mp4", "not every system allows", id="colon"),
        pytest.param("con/{{ slug }}.mp4", "Windows reserves", id="reserved"),
        pytest.param(".{{ slug }}.mp4", "begins with a dot", id="hidden"),
        pytest.param("{{ 'x' * 250 }}{{ slug }}.mp4", "bytes", id="too-long"),
    ],
)
def test_a_name_that_cannot_stand_is_a_problem_before_spending(rig: Rig, name: str, said: str) -> None:
    """Exit 2 from check and from run, and the provider has heard nothing."""
    write(rig, name)
    checked = rig.kbatch("check")
    assert checked.code == 2
    assert said in checked.out
    assert rig.run().code == 2
    assert not any(rig.bill()["requests"].values())
    assert not (rig.folder / "clips").exists()
