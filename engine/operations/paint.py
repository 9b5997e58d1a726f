"""Paint line art: colour, shade and light from scribbles, by diffusion.

A network (after Carrillo 2024, chapter 7) paints at a small size, from noise, what lies under the
lines. The painting is then carried to the document's size region by region, so that nothing leaks
and every scribble has its own colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from engine import machine, runtime
from engine.imaging import diffusion
from engine.imaging.color import coverage, lab_to_srgb, srgb_to_lab
from engine.imaging.painting import Cells, Painted, Painter, Plan, Shares, shade_and_light
from engine.imaging.palettes import source_palette, swatches
from engine.imaging.raster import by_strips
from engine.imaging.regions import Regions
from engine.imaging.resample import planar, shrink
from engine.imaging.scribbles import Hints
from engine.imaging.suggested import suggested
from engine.job import Job, Layer
from engine.operations.line_art import LineArt, hints, with_clear
from engine.runtime import Network
from ipc.errors import LimnerError

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

BYTES_PER_PIXEL = 176
"""Of one variant, inputs included. Measured: 163 with all inputs, a mask of 12 bytes."""
BYTES_PER_VARIANT = {"group": 48, "one": 16}
"""What each further variant adds, by the parameter layers."""
ROLE, NAME = "paint", "Paint"
REFINED = 0.5
"""Time at which an earlier painting is taken up again: its large forms stay."""
PREVIEW_SIDE = 512
"""Pixels of a preview's longer side, at most."""
PAPER = 1.0
"""The grey that is seen through transparent parts."""


@dataclass
class Last:
    """The last painting of some line art, N x 3 x h x w in [-1, 1]; None before the first.

    nbytes: what it takes to keep it.
    """

    nbytes: int
    painting: Floats | None = None


def run(job: Job) -> list[Layer]:
    """For each variant flats, shade and light, or one layer with all.

    The same comes back for the same inputs and parameters; `refine` alone takes up what the engine
    painted last. Raises LimnerError empty-line-art, too-large, bad-parameter for a palette without
    colours, what runtime.network raises, and Cancelled.
    """
    _check_memory(job)
    art = LineArt(job)
    _check_lines(art)
    network = runtime.network(ROLE)
    width, height = job.canvas
    cells = Cells.about(height, width, network.descriptor.working_size)
    plan = _plan(job, art, cells)
    painter = Painter(plan, cells, _shares(job, plan.parts.regions, cells))
    notes = _notes(job, art, plan)
    paintings = _paintings(job, art, network, painter)
    cover, layers = _cover(job, plan), list[Layer]()
    # Bottom layer first: the first variant comes out on top.
    for number in reversed(range(len(paintings))):
        job.progress(1 - 0.25 * (number + 1) / len(paintings), "colours")
        painted = painter.paint(paintings[number], job.checkpoint)
        name = NAME if len(paintings) == 1 else f"{NAME} {number + 1}"
        seed = int(job.params["seed"]) + number
        metadata = {
            "network": network.identity,
            "seed": seed,
            "variant": number,
            "lines": art.blending,
        }
        layers += _layers(job, painted, name, cover, metadata)
        job.checkpoint()
    if notes:
        layers[0] = replace(layers[0], metadata={**layers[0].metadata, "note": " ".join(notes)})
    return layers


def _check_memory(job: Job) -> None:
    width, height = job.canvas
    further = int(job.params["variants"]) - 1
    each = BYTES_PER_VARIANT[str(job.params["layers"])]
    needed = width * height * (BYTES_PER_PIXEL + each * further)
    budget = machine.memory_budget()
    if further and needed > budget:
        raise LimnerError(
            "too-large",
            f"{further + 1} variants of {width} × {height} pixels need about {needed / 1e9:.1f} GB "
            f"of memory, and {budget / 1e9:.1f} GB are free.",
            "Ask for fewer variants, or for one layer each, and run again.",
        )


def _check_lines(art: LineArt) -> None:
    """Raises LimnerError empty-line-art for a picture."""
    if art.look().is_picture:
        raise LimnerError(
            "empty-line-art",
            f"'{art.layer.name}' is a picture, not line art.",
            "Choose the layer that holds the lines and run again.",
        )


def _notes(job: Job, art: LineArt, plan: Plan) -> list[str]:
    """What is to be said of the inputs."""
    notes, mask = [], job.input("mask")
    if art.look().is_negative:
        notes += ["The lines are light on dark and were read so."]
    if job.input("reference") and job.input("palette"):
        notes += ["Colours come from the reference; the palette was not needed."]
    if mask is not None and len(plan.place):
        inside = coverage(mask.raster.rgb, mask.raster.alpha).ravel()[plan.place] >= 0.5
        if not inside.any():
            notes += ["No scribble lies inside the selection, so its colours are guessed."]
    return notes


def _plan(job: Job, art: LineArt, cells: Cells) -> Plan:
    """What is asked for where. Raises LimnerError empty-line-art."""
    regions = art.regions
    ink = job.cache.get(
        ("ink", art.layer.digest, cells), lambda: cells.means(cells.padded(art.coverage))
    )
    job.progress(0.25, "scribbles")
    asked = hints(job)
    parts, number = art.assigned(regions, with_clear(job, asked))
    colours = asked[0].colours if asked else np.zeros((0, 3), np.float32)
    # The number beyond the colours is that of strokes that ask for none.
    clear = number > len(colours)
    return Plan(parts, colours, np.where(clear, 0, number), *_joined(asked), clear, ink)


def _shares(job: Job, regions: Regions, cells: Cells) -> Shares:
    """The regions' shares of cells, from the cache where they are known."""
    return job.cache.get(
        ("shares", job.primary("line-art").digest, regions.gap, cells),
        lambda: Shares(cells.padded(regions.labels), regions.count, cells),
    )


def _joined(asked: list[Hints]) -> tuple[Ints, Labels]:
    """Where colours are asked for, and which; the first hints that have a pixel say."""
    if not asked:
        return np.zeros(0, np.int64), np.zeros(0, np.int32)
    place = np.concatenate([hints.place for hints in asked])
    place, first = np.unique(place, return_index=True)
    return place, np.concatenate([hints.number for hints in asked])[first]


def _paintings(job: Job, art: LineArt, network: Network, painter: Painter) -> Floats:
    """Each variant's colours for the cells, N x 3 x h x w in [0, 1]."""
    plan, cells = painter.plan, painter.cells
    count, seed = int(job.params["variants"]), int(job.params["seed"])
    seeds = range(seed, seed + count)
    alike = {
        "line": plan.ink[None],
        "hints": _hints_planes(painter),
        "reference": _reference_planes(job, cells.shape),
    }
    further = _further_colours(job)
    given = {
        "flats": np.stack([_flats_planes(painter, further, seed) for seed in seeds]),
        **{port: np.repeat(planes[None], count, axis=0) for port, planes in alike.items()},
    }
    # Filled up here and not by the runtime, which would repeat the noise's last row and column.
    more = [(0, -length % network.descriptor.size_multiple) for length in cells.shape]
    batch = {
        port: np.pad(planes, [(0, 0), (0, 0), *more], mode="edge") for port, planes in given.items()
    }
    size = batch["line"].shape[2:]
    noise = diffusion.gaussian(seeds, *size)
    key = (
        ROLE,
        "last",
        job.primary("line-art").digest,
        size,
        seed,
        count,
        network.identity["digest"],
    )
    last = job.cache.get(key, lambda: Last(noise.nbytes))
    start, times = noise, diffusion.even_times(int(job.params["steps"]))
    if job.params["refine"] and last.painting is not None:
        start = diffusion.noised(last.painting, noise, REFINED)
        times = diffusion.even_times(math.ceil(len(times) * REFINED), REFINED)

    def on_step(step: int, x0: Floats) -> None:
        job.progress(0.3 + 0.4 * step / len(times), "painting")
        job.preview(lambda: art.over(cells.shrunk(_in_colours(x0[0], cells), PREVIEW_SIDE)))

    job.progress(0.3, "painting")
    predict = _predict(network, batch, float(job.params["guidance"]))
    last.painting = diffusion.sample(predict, start, times, on_step)
    return _in_colours(last.painting, cells)


def _in_colours(x0: Floats, cells: Cells) -> Floats:
    """The cells' colours in [0, 1] of what the network paints in [-1, 1]."""
    rows, columns = cells.shape
    return (x0[..., :rows, :columns] + np.float32(1)) * np.float32(0.5)


def _predict(
    network: Network, given: dict[str, Floats], guidance: float
) -> Callable[[Floats, float], Floats]:
    """The network with classifier-free guidance (Ho, Salimans 2021) by the scribbles."""
    nothing = np.zeros_like(given["hints"])
    unhinted = {**given, "hints": nothing, "flats": nothing}

    def colours(planes: dict[str, Floats], x: Floats, time: float) -> Floats:
        plane = np.full_like(planes["line"], time)
        return network.run({**planes, "noisy": x, "time": plane})["colour"]

    def predict(x: Floats, time: float) -> Floats:
        if time == 1:
            # Noise alone says nothing; with its opposite, what the network takes from it is gone.
            return np.float32(0.5) * (guided(x, time) + guided(-x, time))
        return guided(x, time)

    def guided(x: Floats, time: float) -> Floats:
        led = colours(given, x, time)
        if guidance == 1:
            return led
        free = colours(unhinted, x, time)
        return free + np.float32(guidance) * (led - free)

    return predict


def _hints_planes(painter: Painter) -> Floats:
    """Colours under strokes times how much of a cell these cover, and how much; 4 x h x w."""
    colours = painter.plan.colours
    table = np.zeros((len(colours) + 1, 4), np.float32)
    table[1:, :3], table[1:, 3] = np.clip(colours, 0, 1), 1
    return painter.strokes.means(table)


def _flats_planes(painter: Painter, further: Floats, seed: int) -> Floats:
    """What scribbles and further colours suggest for each cell, 4 x h x w.

    A cell is in its middle's region.
    """
    plan, drawn, side = painter.plan, painter.strokes, painter.cells.side
    colours = np.clip(np.concatenate([plan.colours, further]), 0, 1)
    meant = np.zeros((plan.parts.regions.count + 1, len(colours) + 1), bool)
    meant[plan.parts.region, plan.colour_of_part] = True
    strokes = np.zeros((len(colours) + 1, *painter.cells.shape), bool)
    strokes[drawn.number, drawn.rows // side, drawn.columns // side] = True
    strokes[1 + len(plan.colours) :] = True
    middles = painter.regions[side // 2 :: side, side // 2 :: side]
    return suggested(middles, plan.ink, colours, meant[:, 1:], strokes[1:], seed)


def _further_colours(job: Job) -> Floats:
    """Colours that suit what has no scribble, N x 3: the reference's main ones, or the palette."""
    reference, palette = job.input("reference"), job.input("palette")
    if reference is not None:
        pixels = shrink(reference.raster.rgb, reference.raster.alpha, (64, 64), PAPER)
        lab = srgb_to_lab(planar(pixels).reshape(3, -1))
        return lab_to_srgb(source_palette(lab, np.ones(lab.shape[1], np.float32)).lab.T).T
    if palette is not None:
        return swatches(palette.raster.rgb, palette.raster.alpha)
    return np.zeros((0, 3), np.float32)


def _reference_planes(job: Job, shape: tuple[int, int]) -> Floats:
    """The reference squeezed to h x w, else the palette in stripes, else 0; and whether any."""
    rows, columns = shape
    planes = np.zeros((4, rows, columns), np.float32)
    reference, palette = job.input("reference"), job.input("palette")
    if reference is not None:
        raster = reference.raster
        planes[:3] = planar(shrink(raster.rgb, raster.alpha, (columns, rows), PAPER))
        planes[3] = 1
    elif palette is not None:
        colours = swatches(palette.raster.rgb, palette.raster.alpha)
        stripe = np.arange(columns) * len(colours) // columns
        planes[:3] = np.clip(colours[stripe].T[:, None], 0, 1)
        planes[3] = 1
    return planes


def _cover(job: Job, plan: Plan) -> Floats | None:
    """How far each pixel is to be painted, H x W; None where all of it is, and fully."""
    mask = job.input("mask")
    cover = None if mask is None else coverage(mask.raster.rgb, mask.raster.alpha)
    if plan.clear.any():
        wanted = ~plan.clear[plan.parts.labels]
        return wanted.astype(np.float32) if cover is None else cover * wanted
    return cover


def _layers(
    job: Job, painted: Painted, name: str, cover: Floats | None, metadata: Mapping[str, Any]
) -> list[Layer]:
    """The painting as one layer, or as a group; bottom layer first.

    The group's layers have hard edges, as softened ones would show through each other.
    """
    network, seed, steps = metadata["network"], metadata["seed"], job.params["steps"]
    made_by = f"seed {seed}, steps {steps}, {network['name']} {network['version']}"
    if job.params["layers"] == "one":
        pixels = _one(job, painted, cover)
        return [Layer("painting", f"{name} ({made_by})", pixels, metadata=metadata)]
    inside = None if cover is None else cover >= 0.5
    shade, light = _shade_and_light(job, painted, inside)
    table = np.ones((len(painted.flats) + 1, 4), np.float32)
    table[1:, :3], table[0] = painted.flats, 0
    parts = painted.parts + 1 if inside is None else np.where(inside, painted.parts + 1, 0)
    layers = [
        Layer("painting", f"Flats ({made_by})", parts, exact=True, table=table),
        Layer("painting", "Shade", shade, blending="multiply"),
        Layer("painting", "Light", light, blending="screen"),
    ]
    return [replace(layer, group=(name,), metadata=metadata) for layer in layers]


def _one(job: Job, painted: Painted, cover: Floats | None) -> Floats:
    """The painting, H x W x 4. cover: its alpha."""
    pixels = np.empty((*painted.parts.shape, 4), np.float32)

    def fill(rows: slice) -> None:
        job.checkpoint()
        _fill(pixels[rows], painted.picture[:, rows], None if cover is None else cover[rows])

    by_strips(painted.parts.shape, fill)
    return pixels


def _shade_and_light(job: Job, painted: Painted, inside: Bools | None) -> tuple[Floats, Floats]:
    """What makes flats the painting, H x W x 4 each. inside: where they are, None = everywhere."""
    shade, light = (np.empty((*painted.parts.shape, 4), np.float32) for _ in range(2))

    def fill(rows: slice) -> None:
        job.checkpoint()
        flats = painted.flats.T[:, painted.parts[rows]]
        planes = shade_and_light(painted.picture[:, rows], flats)
        for whole, colours in zip((shade, light), planes, strict=True):
            _fill(whole[rows], colours, None if inside is None else inside[rows])

    by_strips(painted.parts.shape, fill)
    return shade, light


def _fill(pixels: Floats, colours: Floats, alpha: npt.NDArray[Any] | None) -> None:
    """Fills H x W x 4 pixels with 3 x H x W colours; nothing where H x W alpha is 0."""
    opaque = np.ones(pixels.shape[:2], np.float32) if alpha is None else alpha.astype(np.float32)
    cv2.merge([*colours, opaque], pixels)
    if alpha is not None:
        pixels[alpha == 0] = 0
