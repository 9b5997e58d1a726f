"""Sheets show every picture in its cell."""

import numpy as np

from training import sheets


def test_pictures_of_every_kind_fit_their_cells():
    red = np.zeros((10, 20, 3), np.uint8)
    red[..., 0] = 255
    clear = np.zeros((400, 400, 4), np.uint8)
    half = np.full((5, 5), 0.5, np.float32)

    sheet = sheets.grid([[red, half], [clear]], side=40)

    gap = sheets.GAP
    assert sheet.shape == (2 * (40 + gap) + gap, 2 * (40 + gap) + gap, 3)
    assert sheet.dtype == np.uint8
    assert sheet[gap + 20, gap + 20].tolist() == [255, 0, 0]
    assert sheet[gap + 5, gap + 20].tolist() == [255, 255, 255]
    assert sheet[gap + 20, 2 * gap + 60].tolist() == [128, 128, 128]
    squares = sheet[2 * gap + 40 : 2 * gap + 80, gap : gap + 40]
    assert set(np.unique(squares)) == {220, 255}


def test_headings_and_labels_are_written():
    picture = np.full((8, 8, 3), 255, np.uint8)

    plain = sheets.grid([[picture]], side=64)
    told = sheets.grid([[picture]], ["input"], ["a label"], side=64)

    assert told.shape[0] == plain.shape[0] + 2 * sheets.LABEL
    assert told[: sheets.LABEL].min() < 128
    assert told[-sheets.LABEL - sheets.GAP :].min() < 128
