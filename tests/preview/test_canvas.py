"""The canvas: the shape that most of the film has, and where pictures of other shapes stand in it."""

import pytest

from kbatch.report.preview.canvas import canvas_of, fitted

WIDE, TALL, SQUARE = (1920, 1080), (1080, 1920), (1024, 1024)


@pytest.mark.parametrize(
    ("shapes", "stage"),
    [
        pytest.param([(WIDE, 5.0)], (960, 540), id="wide"),
        pytest.param([(TALL, 5.0)], (540, 960), id="tall"),
        pytest.param([(SQUARE, 5.0)], (720, 720), id="square"),
        pytest.param([(WIDE, 5.0), (TALL, 4.0), (TALL, 4.0)], (540, 960), id="seconds-count-not-clips"),
        pytest.param([(TALL, 5.0), (WIDE, 5.0)], (540, 960), id="the-first-of-equals"),
        pytest.param([((16, 9), 5.0), (WIDE, 5.0), (TALL, 8.0)], (960, 540), id="one-shape-in-two-sizes"),
        pytest.param([((10_000, 10), 5.0)], (960, 400), id="absurdly-wide"),
        pytest.param([((10, 10_000), 5.0)], (540, 960), id="absurdly-tall"),
        pytest.param([], (960, 540), id="none"),
    ],
)
def test_the_stage_has_the_shape_of_most_seconds(
    shapes: list[tuple[tuple[int, int], float]], stage: tuple[int, int]
) -> None:
    """Even sides, wide enough for words."""
    canvas = canvas_of(shapes)
    assert (canvas.width, canvas.stage) == stage
    assert canvas.height % 2 == canvas.width % 2 == 0


@pytest.mark.parametrize("size", [WIDE, TALL, SQUARE, (480, 206), (33, 31), (1, 5000), (5000, 1), (960, 540)])
@pytest.mark.parametrize("stage", [(960, 540), (540, 960), (720, 720)])
def test_a_picture_is_as_large_as_fits_and_in_the_middle(size: tuple[int, int], stage: tuple[int, int]) -> None:
    """Nothing is cut off, nothing is stretched beyond the rounding to even sides, and one side fills the stage."""
    left, top, width, height = fitted(size, stage)
    assert not any(length % 2 for length in (left, top, width, height))
    assert min(width, height) >= 2
    assert left + width <= stage[0]
    assert top + height <= stage[1]
    assert width == stage[0] or height == stage[1]
    assert abs((stage[0] - width) / 2 - left) <= 1
    assert abs((stage[1] - height) / 2 - top) <= 1
    if min(width, height) > 2:
        assert width / height == pytest.approx(size[0] / size[1], rel=2.5 / min(width, height))


def test_what_was_fitted_once_fits_as_it_is() -> None:
    """A frame that has the fitted size needs no further scaling: its place is the same."""
    for size in (WIDE, TALL, SQUARE, (480, 206)):
        _, _, width, height = box = fitted(size, (960, 540))
        assert fitted((width, height), (960, 540)) == box
