"""Krita's palettes (.kpl): a zip of colorset.xml, profiles.xml and the ICC profiles they name.

Source: the KPL format definition of docs.krita.org, version 2.0. XML with a DOCTYPE is refused.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from xml.etree import ElementTree

import numpy as np

from engine.imaging.icc import profile_of
from engine.imaging.palette_models import (
    BadPaletteError,
    Color,
    Swatch,
    of_cmyk,
    of_lab,
    of_xyz,
)
from engine.imaging.palettes import Palette

Element = ElementTree.Element

MOST_BYTES = 1 << 24
"""How much a palette may unpack to."""
COLUMNS = 16
CHANNELS = {"sRGB": "rgb", "RGB": "rgb", "Gray": "g", "CMYK": "cmyk", "Lab": "Lab", "XYZ": "xyz"}
"""The attributes of each model."""


def read_kpl(data: bytes) -> tuple[str, list[Swatch]]:
    """The palette's name and its colours: those without a group, then each group's, row by row."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        # Members give no more than the sizes that they declare.
        if sum(member.file_size for member in archive.infolist()) > MOST_BYTES:
            raise BadPaletteError("it unpacks to more than a palette can be")
        root = _xml(archive.read("colorset.xml"))
        files = _profiles(archive)
        spaces = {model.get("space", "") for model in root.iter()} & files.keys()
        members = {file: archive.read(file) for file in {files[space] for space in spaces}}
    profiles = {space: members[files[space]] for space in spaces}
    first_version = root.get("version", "").startswith("1")
    swatches = [
        Swatch(_color(entry, profiles, first_version), entry.get("name", ""))
        for parent in (root, *root.iter("Group"))
        for entry in sorted(parent.findall("ColorSetEntry"), key=_position)
    ]
    return root.get("name", ""), swatches


def _xml(data: bytes) -> Element:
    from defusedxml.ElementTree import fromstring

    root: Element = fromstring(data, forbid_dtd=True)
    return root


def _profiles(archive: zipfile.ZipFile) -> Mapping[str, str]:
    """The members that profiles lie in, by the profile's name."""
    if "profiles.xml" not in archive.namelist():
        return {}
    entries = _xml(archive.read("profiles.xml")).iter("Profile")
    return {entry.get("name", ""): entry.get("filename", "") for entry in entries}


def _position(entry: Element) -> tuple[int, int]:
    place = entry.find("Position")
    if place is None:
        return (0, 0)
    return (int(place.get("row", 0)), int(place.get("column", 0)))


def _color(entry: Element, profiles: Mapping[str, bytes], first_version: bool) -> Color:
    """The colour of an entry. A missing profile is taken as sRGB; CMYK as ideal inks."""
    model = next((child for child in entry if child.tag in CHANNELS), None)
    if model is None:
        raise BadPaletteError("it has a colour that is not RGB, CMYK, Lab, XYZ or grey")
    values = [float(model.attrib[channel]) for channel in CHANNELS[model.tag]]
    if model.tag == "CMYK":
        return of_cmyk(*values)
    if model.tag == "Lab":
        return of_lab(*(_first_lab(values) if first_version else values))
    if model.tag == "XYZ":
        return of_xyz(values)
    icc = None if model.tag == "sRGB" else profiles.get(model.get("space", ""))
    samples = np.array(values, np.float32)[:, np.newaxis]
    red, green, blue = profile_of(icc, len(values)).decode(samples)[:, 0].tolist()
    return (red, green, blue)


def _first_lab(values: list[float]) -> list[float]:
    """L, a, b of version 1.0, which wrote all three as parts of their range, a and b around 0.5."""
    lightness, a, b = values
    return [100 * lightness, 256 * (a - 0.5), 256 * (b - 0.5)]


def write_kpl(palette: Palette) -> bytes:
    """One grid of sRGB colours: 8 bit where they are codes of 8 bit, else float."""
    count = len(palette.names)
    exact = np.abs(palette.rgb - palette.codes() / np.float32(255)).max() < 1e-6
    root = Element(
        "ColorSet",
        version="2.0",
        name=palette.name,
        comment="",
        columns=str(COLUMNS),
        rows=str(-(-count // COLUMNS)),
        readonly="false",
    )
    for number, (rgb, name) in enumerate(zip(palette.rgb.tolist(), palette.names, strict=True)):
        attributes = {"name": name, "id": "", "spot": "false", "bitdepth": "U8" if exact else "F32"}
        entry = ElementTree.SubElement(root, "ColorSetEntry", attributes)
        ElementTree.SubElement(
            entry, "sRGB", {c: f"{v:.9g}" for c, v in zip("rgb", rgb, strict=True)}
        )
        row, column = divmod(number, COLUMNS)
        ElementTree.SubElement(entry, "Position", row=str(row), column=str(column))
    members = {
        "mimetype": b"application/x-krita-palette",
        "profiles.xml": ElementTree.tostring(Element("Profiles")),
        "colorset.xml": ElementTree.tostring(root, encoding="utf-8"),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            # A ZipInfo of its own carries no clock time: the same palette makes the same bytes.
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()
