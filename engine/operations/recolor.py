"""Recolour a set of pictures so that they share one palette (Xue 2024, chapter 3).

The main colours of all pictures are grouped; each moves to its group's colour and takes along what
is near to it, lightness stays. What is found in a picture alone is found once and kept, so that a
changed link or setting costs no more than the recolouring.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from engine import runtime
from engine.imaging.color import srgb_to_lab
from engine.imaging.color_table import ColorTable
from engine.imaging.harmony import (
    Protection,
    Recoloring,
    kept_apart,
    named_targets,
)
from engine.imaging.palette_groups import (
    NOT_LINKED,
    MainColors,
    group_colors,
    group_size,
    linked,
    subject_colors,
)
from engine.imaging.palettes import SourcePalette, shares, source_palette, squared_distances
from engine.imaging.raster import Raster
from engine.imaging.resample import Box, over, strips
from engine.imaging.white_balance import balanced, needed_balance
from engine.job import Input, Job, Layer
from engine.operations import pictures
from engine.operations.pictures import Links, Small
from engine.operations.select_subject import ROLE, look

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]

# Measured: 48 for RGBA of 32 bits with a mask, beside the planes themselves.
BYTES_PER_PIXEL = 60

SUBJECT = 0.5
"""Likelihood from which a place is the subject's; Xue's 0.9 is for a network surer of itself."""

_PREPARED, _PLANNED = 0.4, 0.45
_THUMBNAIL = 256
_CONTACT_SIDE = 1024
_LEVELS, _STEPS = 17, 257
"""Lightnesses in a table that changes lightness too, and grid points of a and of b."""
_GREYS = Protection(neutrals=True, skin=False)
"""White paper and grey stones take no tint of the palette in common."""
_NOTHING_TO_DO = "No colour moves; the picture is as it was."
_ALONE = (
    "One picture alone has nothing to share its colours with; add others, a palette or 'harmonize'."
)


@dataclass(frozen=True)
class Page:
    """What is known of a picture of the set.

    balance: the matrix for white light (3 x 3), or None. main: its main colours under that light.
    thumbnail: h x w x 4, as it came; inside: h x w, or None.
    """

    balance: Floats | None
    main: SourcePalette
    thumbnail: Floats
    inside: Floats | None

    @property
    def ab(self) -> Floats:
        """a, b of the main colours, k x 2."""
        return self.main.lab[:, 1:].astype(np.float32)

    def under_white(self, lab: Floats) -> Floats:
        """Colours (CIELAB, 3 x N) as the main colours are seen."""
        return lab if self.balance is None else balanced(lab, self.balance)

    def table(self, recoloring: Recoloring) -> ColorTable:
        """All that happens to the picture's colours as its main colours move."""
        if self.balance is None:
            return recoloring.table()

        def shift(lab: Floats) -> Floats:
            moved = self.under_white(lab)
            moved[1:] += recoloring.shift(moved[1:])
            return moved - lab

        return ColorTable.baked(shift, _LEVELS, _STEPS)


@dataclass(frozen=True)
class Group:
    """The palette in common.

    lab: float32 m x 3, CIELAB, the colours that main colours are linked to. target: float32 m x 2,
    the a, b that each becomes, and with it what is linked to it. locked: m, those that the artist's
    palette has locked. asked: m, those that the artist gave or changed; greys follow these alone.
    linking: of each picture's main colours, the numbers of their group colours, or NOT_LINKED.
    """

    lab: Floats
    target: Floats
    locked: Bools
    asked: Bools
    linking: Sequence[Ints]


def run(job: Job) -> Iterator[Layer]:
    """Each picture in its new colours, and its main colours before and after; in order.

    First of all comes the palette in common, where there is any.

    Alpha, transparent pixels and those outside the masks are exactly as they were. Raises
    LimnerError bad-parameter for a palette or links that cannot be used, what runtime.network
    raises, and Cancelled.
    """
    count = len(job.inputs["image"])
    links = [pictures.links(given) for given in job.inputs.get("links", ())] or [None] * count
    pages, subjects = [], []
    for n in range(count):
        job.progress(_PREPARED * n / count, "palettes")
        pages.append(_page(job, n, links[n]))
        subjects.append(_subject(job, n, pages[n]))
        job.inputs["image"][n].release()
    job.progress(_PREPARED, "group")
    group = _grouped(job, pages, subjects)
    each = zip(pages, links, group.linking, strict=True)
    recolorings = [_recoloring(job, group, *page) for page in each]
    tables = [page.table(moves) for page, moves in zip(pages, recolorings, strict=True)]
    job.progress(_PLANNED, "preview")
    job.preview(lambda: contact(pages, tables))
    if len(group.lab):
        yield _common(group, pages)
    for n, (page, moves, table) in enumerate(zip(pages, recolorings, tables, strict=True)):
        job.progress(_PLANNED + (1 - _PLANNED) * n / count, "recolour")
        if job.wants("picture"):
            yield _recolored(job, n, table)
        if len(page.ab):
            yield _swatches(n, page, moves.target, group.linking[n])


def _mask(job: Job, n: int) -> Input | None:
    masks = job.inputs.get("mask")
    return masks[n] if masks else None


def _page(job: Job, n: int, links: Links | None) -> Page:
    image, mask = job.inputs["image"][n], _mask(job, n)
    white = bool(job.params["white-balance"])

    def make() -> Page:
        known = pictures.sample(job, image, mask)
        balance = needed_balance(known.lab, known.weight) if white else None
        page = _bare(pictures.small(job, image, mask), balance)
        if not len(known.weight):
            return page
        return replace(page, main=source_palette(page.under_white(known.lab), known.weight))

    page = job.cache.get(("page", image.digest, mask and mask.digest, white), make)
    if links is None:
        return page
    known = pictures.sample(job, image, mask)
    share = shares(page.under_white(known.lab), known.weight, links.lab)
    return replace(page, main=SourcePalette(links.lab, share))


def _bare(small: Small, balance: Floats | None) -> Page:
    """The picture without main colours."""
    scale = min(1.0, _THUMBNAIL / max(small.pixels.shape[:2]))
    inside = None if small.inside is None else pictures.shrunk(small.inside, scale)
    nothing = SourcePalette(np.zeros((0, 3)), np.zeros(0))
    return Page(balance, nothing, pictures.shrunk(small.pixels, scale), inside)


def _subject(job: Job, n: int, page: Page) -> Bools:
    """Which of the picture's main colours are its subject's; none where that is not asked."""
    if job.params["subject"] == "together" or not len(page.ab):
        return np.zeros(len(page.ab), bool)
    image, mask = job.inputs["image"][n], _mask(job, n)
    network = runtime.network(ROLE)

    def find() -> Floats:
        small = Raster.of_rgba(pictures.small(job, image, mask).pixels)
        box = Box(0, 0, small.width, small.height)
        likely, _ = look(network, small, box)
        size = page.thumbnail.shape[1::-1]
        return np.asarray(cv2.resize(likely, size, interpolation=cv2.INTER_AREA), np.float32)

    key = ("likely", image.digest, mask and mask.digest, *network.identity.values())
    likely = job.cache.get(key, find)
    weight = page.thumbnail[..., 3] if page.inside is None else page.thumbnail[..., 3] * page.inside
    lab = page.under_white(srgb_to_lab(page.thumbnail[..., :3].reshape(-1, 3).T.copy()))
    return subject_colors(page.ab, lab[1:], weight.ravel(), likely.ravel() > SUBJECT)


def _grouped(job: Job, pages: Sequence[Page], subjects: Sequence[Bools]) -> Group:
    """The palette in common, and which of its colours each main colour becomes.

    Found in the set, or given, or as it came back and the artist changed it: then the colours that
    it had keep their links.
    """
    given, edited = pictures.given_palette(job), pictures.links(job.input("common-links"))
    reach, keep_names = None if given is None else math.inf, bool(job.params["keep-names"])
    lab = np.zeros((0, 3), np.float32) if given is None else srgb_to_lab(given.T.copy()).T
    lab = lab if edited is None else edited.lab
    parts = [[~subject for subject in subjects]]
    if job.params["subject"] == "apart":
        parts.append(list(subjects))
    mains = [
        [MainColors(p.ab, p.main.share).of(own) for p, own in zip(pages, part, strict=True)]
        for part in parts
    ]
    chosen = [np.arange(len(lab))] * len(parts)
    if given is None and edited is None:
        lab, chosen = _found(job, pages, mains)
    elif given is None:
        chosen = _parted(lab, mains)
    linking = [np.full(len(page.ab), NOT_LINKED) for page in pages]
    for part, own_mains, numbers in zip(parts, mains, chosen, strict=True):
        for links, main, own in zip(linking, own_mains, part, strict=True):
            found = linked(main, lab[numbers, 1:], keep_names, reach)
            links[own] = np.append(numbers, NOT_LINKED)[found]
    if edited is None:
        used = np.unique(np.concatenate([links[links != NOT_LINKED] for links in linking]))
        linking = [_renumbered(links, used) for links in linking]
        lab = lab[used]
    locked = np.zeros(len(lab), bool)
    if given is not None:
        nearest = _nearest(lab[:, 1:], srgb_to_lab(given.T.copy())[1:].T)
        locked = pictures.locked_colors(job, given)[nearest]
    target = _harmonized(lab[:, 1:], locked) if job.params["harmonize"] else lab[:, 1:]
    asked = np.full(len(lab), given is not None)
    if edited is not None:
        target = np.where(edited.fixed[:, None], edited.target, target)
        asked |= edited.fixed
    return Group(lab, target, locked, asked, linking)


def _found(
    job: Job, pages: Sequence[Page], mains: Sequence[Sequence[MainColors]]
) -> tuple[Floats, list[Ints]]:
    """Group colours (m x 3, CIELAB) found in the set, and the numbers of those of each part."""
    keep_names, wanted = bool(job.params["keep-names"]), int(job.params["colors"])
    found = [group_colors(part, wanted or group_size(part), keep_names) for part in mains]
    ab = np.concatenate(found)
    known = np.concatenate([page.main.lab for page in pages]).astype(np.float32)
    lightness = known[_nearest(ab, known[:, 1:]), :1] if len(ab) else ab[:, :1]
    ends = np.cumsum([len(colors) for colors in found])
    numbers = [np.arange(end - len(each), end) for each, end in zip(found, ends, strict=True)]
    return np.concatenate([lightness, ab], axis=1), numbers


def _parted(lab: Floats, mains: Sequence[Sequence[MainColors]]) -> list[Ints]:
    """The numbers of the group colours of each part; every one is a main colour of its own part."""
    known = [np.concatenate([main.ab for main in part]) for part in mains]
    away = [squared_distances(lab[:, 1:], ab).min(axis=1, initial=math.inf) for ab in known]
    own = np.argmin(away, axis=0)
    return [np.flatnonzero(own == part) for part in range(len(mains))]


def _renumbered(links: Ints, used: Ints) -> Ints:
    """Links to group colours as links to those of them that are used."""
    return np.where(links == NOT_LINKED, NOT_LINKED, np.searchsorted(used, links))


def _nearest(ab: Floats, others: Floats) -> Ints:
    """The number of the nearest of others (m x 2) to each of k x 2."""
    return np.asarray(squared_distances(ab, others).argmin(axis=1))


def _harmonized(colors: Floats, locked: Bools) -> Floats:
    """Colours (m x 2: a, b) as purer ones of their names; greys and locked ones as they are."""
    free = _GREYS.freedom(colors.T) * ~locked
    harmonized: Floats = colors + free[:, None] * (named_targets(colors, _GREYS) - colors)
    return harmonized


def _recoloring(
    job: Job, group: Group, page: Page, links: Links | None, linking: Ints
) -> Recoloring:
    """How a picture's main colours move; greys stay, but for those that the artist asked for."""
    target, moves = page.ab.copy(), linking != NOT_LINKED
    asked = np.zeros(len(target), bool)
    if moves.any():
        chosen, share = linking[moves], page.main.share[moves]
        target[moves] = kept_apart(
            page.ab[moves], group.target[chosen], chosen, share, group.locked
        )
        asked[moves] = group.asked[chosen]
    strength = np.float32(float(job.params["strength"]) / 100)
    free = strength * np.where(asked, np.float32(1), _GREYS.freedom(page.ab.T))
    target = page.ab + free[:, None] * (target - page.ab)
    if links is not None:
        target, asked = np.where(links.fixed[:, None], links.target, target), asked | links.fixed
    return Recoloring(page.ab, target, _GREYS, asked)


def _recolored(job: Job, n: int, table: ColorTable) -> Layer:
    image, mask = job.inputs["image"][n], _mask(job, n)
    count = len(job.inputs["image"])
    x, y, pixels = image.raster.x, image.raster.y, image.raster.rgba()
    image.release()
    if table.changes:
        inside = pictures.inside_of(mask)
        for rows in strips(*pixels.shape[:2]):
            done = (n + rows.start / len(pixels)) / count
            job.progress(_PLANNED + (1 - _PLANNED) * done, "recolour")
            table.apply(pixels[rows], None if inside is None else inside[rows])
    if mask is not None:
        mask.release()
    note = {} if table.changes else {"note": _ALONE if count == 1 else _NOTHING_TO_DO}
    name = f"{image.name} recolored".strip()
    return Layer("picture", name, pixels, x=x, y=y, of=n, metadata=note)


def _swatches(n: int, page: Page, target: Floats, linking: Ints) -> Layer:
    """The picture's swatches; its links are numbers of the palette in common, or NOT_LINKED."""
    layer = pictures.swatches_layer(page.main, target)
    more = {"link": [int(link) for link in linking], "balanced": page.balance is not None}
    return replace(layer, of=n, metadata={**layer.metadata, **more})


def _common(group: Group, pages: Sequence[Page]) -> Layer:
    """The palette in common as swatches; the share of each colour is that of all pictures."""
    share = np.zeros(len(group.lab))
    for page, links in zip(pages, group.linking, strict=True):
        moves = links != NOT_LINKED
        np.add.at(share, links[moves], page.main.share[moves] / len(pages))
    layer = pictures.swatches_layer(SourcePalette(group.lab, share), group.target)
    return replace(layer, role="common", name="Palette in common")


def contact(pages: Sequence[Page], tables: Sequence[ColorTable]) -> Floats:
    """All pictures in their new colours, small, side by side on white, h x w x 3."""
    columns = math.ceil(math.sqrt(len(pages)))
    side = min(_THUMBNAIL, _CONTACT_SIDE // columns)
    sheet = np.ones((math.ceil(len(pages) / columns) * side, columns * side, 3), np.float32)
    for n, (page, table) in enumerate(zip(pages, tables, strict=True)):
        small = page.thumbnail.copy()
        table.apply(small, page.inside)
        small = pictures.shrunk(small, min(1.0, side / max(small.shape[:2])))
        height, width = small.shape[:2]
        top = n // columns * side + (side - height) // 2
        left = n % columns * side + (side - width) // 2
        shown = over(small[..., :3], small[..., 3], 1.0)
        sheet[top : top + height, left : left + width] = shown
    return sheet
