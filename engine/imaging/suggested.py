"""The colours that scribbles suggest everywhere in a drawing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int32]

LUCK = 1.5
"""Power of the odds by which chance favours colours: from this on one of them mostly prevails."""
POWER, NEAR = 4, 1 / 64
"""A scribble weighs (distance + NEAR)^-POWER; distances are shares of the longer side."""
LINE = 30.0
"""How many times as far it is through ink as over paper."""
OUTSIDE, UNASKED = 1.0, 0.4
"""How much further it is to where a scribble's regions are not: into regions that are asked to have
another colour, and into those that are asked to have none. Measured, as POWER, on drawings with
known colours; a larger UNASKED is nearer to the truth where scribbles are few, and drab.
"""


def suggested(
    regions: Labels, ink: Floats, colours: Floats, meant: Bools, strokes: Bools, seed: int = 0
) -> Floats:
    """Colours that go over into each other by the distances of their strokes (Shepard 1968).

    regions: of each cell, h x w. ink: its share of it, h x w. colours: N x 3 in [0, 1]. meant: the
    colours that each region is asked to have, by label, M x N; those that none is asked to have
    count where none is asked for. strokes: where each colour is asked for, N x h x w; a palette's
    everywhere. seed: 0 mixes in regions that are not asked to have any as it is likeliest, others
    let chance favour colours there, the same ones whatever else is asked for. Returns 4 x h x w:
    RGB, and 1 in regions that are asked to have any; all 0 without strokes.
    """
    if not strokes.any():
        return np.zeros((4, *regions.shape), np.float32)
    outside: Bools = ~meant[regions]
    asked = np.asarray(meant.any(axis=1))
    further = np.where(asked, np.float32(OUTSIDE), np.float32(UNASKED))[regions]
    known = np.asarray(asked, np.float32)[regions]
    total = np.zeros(regions.shape, np.float32)
    sums = np.zeros((*regions.shape, 3), np.float32)
    for number in np.flatnonzero(strokes.any(axis=(1, 2))):
        distance = _away(strokes[number], ink) / max(regions.shape) + further * outside[..., number]
        weight = (distance + np.float32(NEAR)) ** -POWER
        if not meant[:, number].any():
            weight *= known == 0
        if seed:
            luck = _luck(seed, colours[number], len(meant))
            luck[asked] = 1
            weight *= luck[regions]
        total += weight
        sums += weight[..., None] * colours[number]
    return np.stack([*np.moveaxis(sums / np.maximum(total, 1e-12)[..., None], -1, 0), known])


def _luck(seed: int, colour: Floats, count: int) -> Floats:
    """How far chance favours a colour in each of so many regions."""
    codes = np.rint(colour * 255).astype(int).tolist()
    chance = np.random.Generator(np.random.PCG64([seed, *codes])).uniform(0.001, 0.999, count)
    return ((chance / (1 - chance)) ** LUCK).astype(np.float32)


def _away(stroke: Bools, ink: Floats) -> Floats:
    """Length of the shortest way from each cell to a stroke, in cells of paper."""
    from skimage.graph import MCP_Geometric

    if stroke.all():
        return np.zeros(stroke.shape, np.float32)
    ways = MCP_Geometric(1 + LINE * ink.astype(np.float64))
    away, _ = ways.find_costs(np.argwhere(stroke).tolist())
    return np.asarray(away, np.float32)
