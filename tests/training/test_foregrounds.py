"""Masks of what could have been pasted."""

import numpy as np

from training.foregrounds import regions, useful


def test_useful_masks_are_neither_tiny_nor_nearly_all():
    mask = np.zeros((100, 100), np.uint8)
    assert not useful(mask)
    mask[:20, :20] = 255
    assert useful(mask)
    assert not useful(255 - mask)


def test_regions_follow_edges():
    picture = np.zeros((128, 128, 3), np.uint8)
    picture[:, 64:] = 200
    found = list(regions(picture, 12, np.random.default_rng(0)))
    assert found
    for mask in found:
        inside = mask > 127
        assert inside[:, :60].all() or not inside[:, :60].any()
        assert inside[:, 68:].all() or not inside[:, 68:].any()
