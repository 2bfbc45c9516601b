"""``xanh camera show``: a picture to read marks from, and to check them on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from models.errors import BadInput
from traffic.cli import app

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "hanoi-giang-vo"
CAMERA = "giang-vo-south"


@pytest.fixture
def still(tmp_path: Path) -> Path:
    path = tmp_path / "still.png"
    cv2.imwrite(str(path), np.full((480, 640, 3), 90, np.uint8))
    return path


def show(*arguments: str | Path) -> None:
    done = CliRunner().invoke(app, ["camera", "show", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output


def picture(path: Path) -> np.ndarray:
    image = cv2.imread(str(path))
    assert image is not None
    return image


def test_a_picture_carries_its_pixel_coordinates(still: Path, tmp_path: Path) -> None:
    out = tmp_path / "grid.png"
    show(still, "--out", out)
    image = picture(out)
    assert (image[210:290, 300] != 90).all()
    assert (image[200, 110:190] != 90).all()
    assert (image[210:240, 310:340] == 90).all()
    show(still, "--out", out, "--no-grid")
    assert (picture(out) == 90).all()


def test_marks_are_drawn_where_the_site_has_them(still: Path, tmp_path: Path) -> None:
    out = tmp_path / "marks.png"
    show(still, "--site", EXAMPLE, "--camera", CAMERA, "--out", out, "--no-grid")
    image = picture(out)
    # The stop line's ends, the lamp, the zone's lower left corner, a bend of a movement.
    for x, y in ((40, 337), (515, 365), (612, 200), (180, 470), (290, 340)):
        near = image[max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4]
        assert (near != 90).any(), (x, y)
    assert (image[400:440, 30:150] == 90).all()


def test_what_cannot_be_shown_is_said(still: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.png"
    cv2.imwrite(str(small), np.zeros((48, 64, 3), np.uint8))
    with pytest.raises(BadInput, match="64x48"):
        show(small, "--site", EXAMPLE, "--camera", CAMERA, "--out", tmp_path / "x.png")
    with pytest.raises(BadInput, match="valid is giang-vo-south"):
        show(still, "--site", EXAMPLE, "--camera", "north", "--out", tmp_path / "x.png")
    show(still, "--site", EXAMPLE, "--out", tmp_path / "only.png")  # the site's only camera
    with pytest.raises(BadInput, match="source"):
        show("--out", tmp_path / "x.png")
    with pytest.raises(BadInput, match="png"):
        show(still, "--out", tmp_path / "x.txt")
    assert not (tmp_path / "x.png").exists()
