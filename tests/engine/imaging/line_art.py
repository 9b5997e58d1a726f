"""Line art drawn in code, 8-bit black on white, and strokes of colour for it."""

import cv2
import numpy as np

from engine.imaging.raster import Raster
from engine.imaging.scribbles import read_hints

WIDTH = 3
WALL = 150
"""Column in which the wall between the two rooms stands."""
LEFT, RIGHT, OUTSIDE = (90, 100), (210, 100), (5, 5)
"""A place (x, y) in each of the two rooms and around them."""


def blank(height=200, width=300):
    return np.full((height, width, 3), 255, np.uint8)


def thickness(width):
    """What OpenCV has to be told for a line of that odd width."""
    return max(1, width - 1)


def box(lines, left, top, right, bottom, width=WIDTH):
    cv2.rectangle(lines, (left, top), (right, bottom), (0, 0, 0), thickness(width), cv2.LINE_AA)


def segment(lines, start, end, width=WIDTH):
    cv2.line(lines, start, end, (0, 0, 0), thickness(width), cv2.LINE_AA)


def two_rooms(gap=0, width=WIDTH):
    """Two rooms of one size with a wall between them that has a gap of so many paper pixels."""
    lines = blank()
    box(lines, 30, 20, 270, 180, width)
    segment(lines, (WALL, 20), (WALL, 180), width)
    lines[90 : 90 + gap, WALL - width : WALL + width + 1] = 255
    return lines


def hints_of(painted):
    """Hints of a picture of colour numbers, 0 = none; number k stays colour k."""
    colours = np.stack([np.arange(painted.max() + 1)] * 3, axis=1).astype(np.float32) / 255
    rgb = colours[painted] * np.float32([40, 80, 0])
    hints = read_hints(Raster(rgb, (painted > 0).astype(np.float32)).marks())
    number = np.zeros(len(hints.colours) + 1, np.int32)
    number[1:] = np.rint(hints.colours[:, 0] * 255 / 40)
    return hints.renumbered(number, colours[1:])


def floats(codes):
    return codes.astype(np.float32) / 255


def ink_of(lines):
    """Where the drawing is at least half black."""
    return lines[..., 0] < 128


def components(lines):
    """Connected pieces of paper: their number and labels, 0 = ink."""
    count, labels = cv2.connectedComponents((~ink_of(lines)).astype(np.uint8), connectivity=4)
    return count - 1, labels


def strokes(shape, *drawn, width=7):
    """RGBA floats with strokes: each a colour (0 to 1) and the points that it goes through."""
    rgba = np.zeros((*shape[:2], 4), np.float32)
    for colour, *points in drawn:
        line = np.array(points, np.int32)[:, None]
        cv2.polylines(rgba, [line], False, (*map(float, colour), 1.0), width, cv2.LINE_8)
    return rgba
