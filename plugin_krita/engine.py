"""The engine as the docker sees it: what it is doing, and jobs for it."""

import threading
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from krita import Krita

from . import thumbnails
from .background import Background
from .ipc import catalog, connection, launch
from .ipc.client import Client
from .ipc.errors import LimnerError
from .ipc.planes import Plane, coverage, is_opaque
from .pixels import Drawn, Format, Pixels, is_paper, pack, unpack
from .profiles import Profiles
from .qt import QImage, QObject, Signal
from .swatches import Swatches

LAYER_KINDS = ("layers", "picture")
"""Kinds of output that become layers."""


PALETTE = "palette"
"""The kind of output that the palette strip shows."""


class Read:
    """What was read of a document's layers, for one job or several.

    pixels: the primary input first. planes: the same, once they were packed. before: what the
    primary one looks like, once a live job is done.
    """

    def __init__(self, pixels: Sequence[Pixels]) -> None:
        self.pixels = pixels
        self.planes: Sequence[Plane] = ()
        self.before: Optional[QImage] = None


class Request(NamedTuple):
    """A job: what to run on which pixels.

    links: swatches, where the artist changed any. own_mask: whether the mask is the
    primary layer's own coverage. live: whether the result is for the docker's eyes, for now.
    """

    operation: catalog.Operation
    params: Dict[str, Any]
    read: Read
    links: Sequence[Pixels]
    canvas: Sequence[int]
    own_mask: bool = False
    live: bool = False


class Answer(NamedTuple):
    """What came of a job.

    notes: what the operation says. lines_mode: how the primary layer has to blend so that what lies
    under it is seen. pictures: of each variant, by number, where there are several. picture: of the
    whole, where the request was live and asked for it. swatches: main colours by number of
    the picture, None for those that a set has in common, where the operation gives any.
    """

    layers: List[Drawn]
    report: Dict[str, Any]
    notes: List[str]
    lines_mode: str
    pictures: Dict[int, QImage]
    picture: Optional[QImage]
    swatches: Dict[Optional[int], Swatches]

    def of(self, picture: int) -> "Answer":
        """What came of one picture of a set."""
        return self._replace(layers=[layer for layer in self.layers if layer.of == picture])


class Engine(QObject):
    """Runs jobs in the engine, one at a time, and says how it is."""

    changed = Signal()

    def __init__(self, background: Background, profiles: Profiles) -> None:
        super().__init__()
        self._background = background
        self._profiles = profiles
        self.device = ""
        self.activity = ""
        self.problem: Optional[LimnerError] = None

    @property
    def text(self) -> str:
        """The engine's state in a few words."""
        if self.activity:
            return f"{self.activity} – {self.device}" if self.device else self.activity
        if self.problem:
            return "Not found" if self.problem.code == "engine-not-found" else "Not available"
        return f"Ready – {self.device}" if self.device else "Starts with the first run"

    def look(self) -> None:
        """Finds out whether an engine runs, and on what."""
        self._background.submit(self._look, self._seen, self._refused)

    def submit(
        self,
        request: Request,
        cancelled: threading.Event,
        progress: Callable[[float, str], None],
        preview: Callable[[QImage], None],
        done: Callable[[Answer], None],
        failed: Callable[[LimnerError], None],
    ) -> None:
        """Runs a job; the callbacks come in the main thread."""

        def refused(error: LimnerError) -> None:
            self._refused(error)
            failed(error)

        def tell(fraction: float, stage: str) -> None:
            self._background.in_main_thread(lambda: progress(fraction, stage))

        def show(plane: Plane) -> None:
            image = thumbnails.of_plane(plane)
            self._background.in_main_thread(lambda: preview(image))

        self._background.submit(lambda: self._run(request, cancelled, tell, show), done, refused)

    def _look(self) -> Optional[Dict[str, Any]]:
        try:
            found = connection.read()
        except LimnerError as error:
            if error.code != "engine-not-running":
                raise
            if not launch.FLATPAK.exists():
                launch.find_command()
            return None
        with self._client() as client:
            return client.connect(found)

    def _run(
        self,
        request: Request,
        cancelled: threading.Event,
        tell: Callable[[float, str], None],
        show: Callable[[Plane], None],
    ) -> Answer:
        profiles = self._profiles
        if cancelled.is_set():
            raise LimnerError("cancelled", "The job was cancelled.", "Run it again.")
        read = request.read
        if not read.planes:
            read.planes = [self._plane(request, pixels) for pixels in read.pixels]
        links = [pack(pixels, None) for pixels in request.links]
        self._say("Starting" if not self.device else "Working")
        tell(0.0, "Starting the engine" if not self.device else "Waiting for the engine")
        with self._client() as client:
            welcome = client.connect(launch.ensure_running())
            self._background.in_main_thread(lambda: self._seen(welcome, "Working"))
            result = client.run(
                request.operation.id,
                request.params,
                [*read.planes, *links],
                (request.canvas[0], request.canvas[1]),
                on_progress=tell,
                on_preview=show,
                cancelled=cancelled,
                outputs=_wanted(request.operation, request.live),
            )
        tell(1.0, "Preparing the layers")
        drawn = [plane for plane in result.planes if not _is_palette(plane)]
        layers = [unpack(p, Format.of(p, profiles.name(p.icc))) for p in drawn]
        lines, mode = read.pixels[0], "normal"
        pages = [pixels.name for pixels in read.pixels if pixels.role == lines.role]
        if request.operation.works_on_line_art and is_paper(lines):
            mode = str(drawn[0].attributes.get("metadata", {}).get("lines", "multiply"))
        pictures = {} if request.live else thumbnails.of_variants(layers, lines, mode)
        picture = None
        if request.live and drawn:
            first = [layer for layer in layers if not layer.of]
            picture = thumbnails.of_first(first, lines, mode)
        if request.live and read.before is None and len(pages) == 1:
            read.before = thumbnails.of_first([], lines, "normal")
        common = [output.role for output in request.operation.outputs if output.common]
        swatches = {
            None if p.role in common else _of(p): Swatches.of_plane(p)
            for p in result.planes
            if _is_palette(p)
        }
        self._say("")
        said = _notes(drawn, pages)
        return Answer(layers, result.report, said, mode, pictures, picture, swatches)

    def _plane(self, request: Request, pixels: Pixels) -> Plane:
        """What travels of a layer; of one that is a mask, its coverage. Raises LimnerError."""
        plane = pack(pixels, self._profiles.icc(pixels.format.profile))
        if not request.operation.input(pixels.role).is_mask:
            return plane
        if request.own_mask and is_opaque(plane):
            raise LimnerError(
                "missing-input",
                f"The layer '{plane.name}' covers everything, so it shows no single thing.",
                "Select the thing, or choose the layer that it lies on as 'Mask', and run again.",
            )
        return coverage(plane)

    def _client(self) -> Client:
        return Client(f"krita {Krita.instance().version()}")

    def _say(self, activity: str) -> None:
        self._background.in_main_thread(lambda: self._set(activity, self.device, None))

    def _seen(self, welcome: Optional[Dict[str, Any]], activity: str = "") -> None:
        """Takes note of the engine's welcome, None where no engine runs."""
        if welcome is not None and welcome.get("catalog") != catalog.digest():
            return self._set(activity, "", _other_catalogue())
        return self._set(activity, "" if welcome is None else str(welcome["device"]), None)

    def _refused(self, error: LimnerError) -> None:
        is_state = error.code.startswith("engine-") or error.code in _STATES
        self._set("", "" if is_state else self.device, error if is_state else None)

    def _set(self, activity: str, device: str, problem: Optional[LimnerError]) -> None:
        self.activity, self.device, self.problem = activity, device, problem
        self.changed.emit()


def _wanted(operation: catalog.Operation, live: bool) -> List[str]:
    """Roles of the outputs that have a place in a document or in the docker."""
    if operation.makes_mask:
        return [operation.outputs[0].role]
    if live and operation.links is not None:
        # A preview shows the picture: to make the whole of it would hold up the next one.
        return [output.role for output in operation.outputs if output.kind == PALETTE]
    kinds = LAYER_KINDS if operation.links is None else (*LAYER_KINDS, PALETTE)
    return [output.role for output in operation.outputs if output.kind in kinds]


def _notes(planes: Sequence[Plane], pages: Sequence[str]) -> List[str]:
    """What the operation says; of a set (pages: the pictures' names) with what it is said of."""
    said = [(p, str(p.attributes.get("metadata", {}).get("note", ""))) for p in planes]
    if len(pages) == 1:
        return [note for _, note in said if note]
    return [f"“{pages[_of(plane)]}”: {note}" for plane, note in said if note]


def _of(plane: Plane) -> int:
    """Number of the picture that a result is of."""
    return int(plane.attributes.get("of", 0))


def _is_palette(plane: Plane) -> bool:
    return plane.attributes.get("kind") == PALETTE


_STATES = ("timed-out", "unsafe-connection", "version-mismatch", "wrong-secret")


def _other_catalogue() -> LimnerError:
    return LimnerError(
        "version-mismatch",
        "The engine knows other operations than this docker.",
        "Run 'limner install krita' and restart Krita.",
    )
