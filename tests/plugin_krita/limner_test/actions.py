"""What a test can do in Krita. Layers are named by their path, as in "Flat colours/Flats"."""

import sys
import time
from pathlib import Path

from krita import Krita, ManagedColor, Palette, Selection
from limner import turns
from limner.job import Job

if int(Krita.instance().version().split(".")[0]) >= 6:
    from PyQt6.QtCore import QByteArray, QEvent, QEventLoop, QPointF, QRegularExpression, Qt, QTimer
    from PyQt6.QtGui import QColor, QContextMenuEvent, QMouseEvent
    from PyQt6.QtTest import QTest
    from PyQt6.QtWidgets import (
        QApplication,
        QColorDialog,
        QComboBox,
        QFileDialog,
        QMenu,
        QTreeView,
        QWidget,
    )
else:
    from PyQt5.QtCore import QByteArray, QEvent, QEventLoop, QPointF, QRegularExpression, Qt, QTimer
    from PyQt5.QtGui import QColor, QContextMenuEvent, QMouseEvent
    from PyQt5.QtTest import QTest
    from PyQt5.QtWidgets import (
        QApplication,
        QColorDialog,
        QComboBox,
        QFileDialog,
        QMenu,
        QTreeView,
        QWidget,
    )

SLOW = ("addChildNode", "remove", "setActiveNode", "trigger", "refreshProjection", "waitForDone")
"""Calls that keep Krita busy for milliseconds, and make it catch up before its next turn."""
ERRORS = []
USED_STEPS = []
MASKS = ("selectionmask", "transparencymask", "colorizemask")


def _document():
    return Krita.instance().activeDocument()


def _layer(path):
    node = _document().rootNode()
    for name in path.split("/"):
        node = next(child for child in node.childNodes() if child.name() == name)
    return node


def _docker():
    window = Krita.instance().activeWindow()
    return next(d for d in window.dockers() if d.objectName() == "limner_docker")


def _widget(name):
    return _docker().findChild(QWidget, name)


def errors():
    """Exceptions that nobody caught since the last call."""
    found = list(ERRORS)
    ERRORS.clear()
    return found


def version():
    return Krita.instance().version()


def show_docker(width):
    """Shows the docker alone in its own window of that width."""
    docker = _docker()
    docker.setFloating(True)
    docker.setVisible(True)
    docker.resize(width, 640)


def new_document(width, height, model, depth, profile):
    """A document with one layer, named Background; returns its profile."""
    krita = Krita.instance()
    document = krita.createDocument(width, height, "test", model, depth, profile, 96.0)
    krita.activeWindow().addView(document)
    return document.colorProfile()


def open_document(path):
    krita = Krita.instance()
    document = krita.openDocument(path)
    krita.activeWindow().addView(document)


def save(path):
    document = _document()
    document.setBatchmode(True)
    document.saveAs(path)


def close_document():
    """Closes the document in view, unsaved, as the artist does."""
    for document in Krita.instance().documents():
        # Else Krita would ask, and wait for an answer.
        document.setModified(False)
    trigger("file_close")


def close_file(name):
    """Closes the document of that file, unsaved, whichever is in view."""
    for document in Krita.instance().documents():
        if Path(document.fileName()).stem == name:
            document.setModified(False)
            document.close()


def documents():
    return len(Krita.instance().documents())


def document_name():
    """What the file of the document in view is called."""
    return Path(_document().fileName()).stem


HELD = []


def hold_answers():
    """Keeps the engine's next answer back."""
    taken = Job._answered
    HELD[:] = [taken]

    def hold(job, answer):
        HELD.append((job, answer))

    Job._answered = hold


def has_held_answer():
    return len(HELD) > 1


def let_answers_go():
    """Gives on what was kept back."""
    Job._answered, *kept = HELD
    for job, answer in kept:
        job._answered(answer)


def show_document(index):
    """Shows another tab."""
    Krita.instance().activeWindow().views()[index].setVisible()


def add_layer(name, kind):
    """Adds a layer on top."""
    document = _document()
    document.rootNode().addChildNode(document.createNode(name, kind), None)


def activate(path):
    _document().setActiveNode(_layer(path))


def select_layers(*paths):
    """Clicks layers in Krita's layer list, all but the first with Ctrl."""
    window = Krita.instance().activeWindow().qwindow()
    listed = window.findChild(QTreeView, "listLayers")
    modifier = Qt.KeyboardModifier.NoModifier
    for path in paths:
        index = listed.rootIndex()
        for name in path.split("/"):
            listed.expand(index)
            rows = range(listed.model().rowCount(index))
            children = [listed.model().index(row, 0, index) for row in rows]
            index = next(child for child in children if child.data() == name)
        listed.scrollTo(index)
        place = listed.visualRect(index).center()
        button = Qt.MouseButton.LeftButton
        QTest.mouseClick(listed.viewport(), button, modifier, place)
        modifier = Qt.KeyboardModifier.ControlModifier


def selected_layers():
    view = Krita.instance().activeWindow().activeView()
    return sorted(node.name() for node in view.selectedNodes())


def write(path, file):
    """Fills a layer with the raw bytes in a file; a test may wait for it."""
    document = _document()
    data = QByteArray(Path(file).read_bytes())
    _layer(path).setPixelData(data, 0, 0, document.width(), document.height())
    document.refreshProjection()
    document.waitForDone()


def read(path, file):
    """Writes a layer's raw bytes into a file; returns its model, depth and profile."""
    document, layer = _document(), _layer(path)
    data = layer.pixelData(0, 0, document.width(), document.height())
    Path(file).write_bytes(bytes(data))
    return [layer.colorModel(), layer.colorDepth(), layer.colorProfile()]


def read_all(ending, file):
    """Writes the raw bytes of all layers of such a name, from top to bottom; returns how many."""
    document, found = _document(), []

    def look(parent):
        for node in reversed(parent.childNodes()):
            if node.name().endswith(ending):
                found.append(node.pixelData(0, 0, document.width(), document.height()))
            look(node)

    look(document.rootNode())
    Path(file).write_bytes(b"".join(map(bytes, found)))
    return len(found)


def picture(file):
    """Writes what the artist sees, raw."""
    document = _document()
    document.waitForDone()
    Path(file).write_bytes(bytes(document.pixelData(0, 0, document.width(), document.height())))


def select(x, y, width, height):
    selection = Selection()
    selection.select(x, y, width, height, 255)
    _document().setSelection(selection)


def select_values(file):
    """Makes the values in a file, a byte for each pixel of the canvas, the selection."""
    document, selection = _document(), Selection()
    data = QByteArray(Path(file).read_bytes())
    selection.setPixelData(data, 0, 0, document.width(), document.height())
    document.setSelection(selection)


def selection(file):
    """Writes the selection's values into a file; False where nothing is selected."""
    document = _document()
    found = document.selection()
    if found is not None:
        data = found.pixelData(0, 0, document.width(), document.height())
        Path(file).write_bytes(bytes(data))
    return found is not None


def masks(path):
    """Names of a layer's masks."""
    return [node.name() for node in _layer(path).childNodes() if node.type() in MASKS]


def projection(path, file):
    """Writes what the artist sees of a layer into a file, raw."""
    document, layer = _document(), _layer(path)
    document.waitForDone()
    data = layer.projectionPixelData(0, 0, document.width(), document.height())
    Path(file).write_bytes(bytes(data))


def add_colorize_mask(path, name, colours, transparent, file):
    """Adds a Colorize Mask to a layer.

    colours: 8-bit sRGB. transparent: index of the one that means so, or -1. file: number of each
    pixel's stroke, 0 for none. Krita does not compute it yet.
    """
    document = _document()
    mask = document.createColorizeMask(name)
    _layer(path).addChildNode(mask, None)
    own = mask.colorModel(), mask.colorDepth(), mask.colorProfile()
    managed = [_managed(colour, own) for colour in colours]
    mask.initializeKeyStrokeColors(managed, transparent)
    strokes = Path(file).read_bytes()
    frame = 0, 0, document.width(), document.height()
    for number, colour in enumerate(managed, 1):
        cover = strokes.translate(bytes(255 * (value == number) for value in range(256)))
        mask.setKeyStrokePixelData(QByteArray(cover), colour, *frame)
    document.waitForDone()


def add_transparency_mask(path, x, y, width, height):
    """Has a layer seen nowhere but there."""
    document, selection = _document(), Selection()
    selection.select(x, y, width, height, 255)
    mask = document.createTransparencyMask("Window")
    mask.setSelection(selection)
    _layer(path).addChildNode(mask, None)
    document.waitForDone()


def _managed(rgb, own):
    colour = ManagedColor("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")
    colour.setComponents([*(code / 255 for code in reversed(rgb)), 1.0])
    colour.setColorSpace(*own)
    return colour


def edit_strokes(path):
    """Does what the artist does to paint on a Colorize Mask."""
    mask = _layer(path)
    _document().setActiveNode(mask)
    mask.setEditKeyStrokes(True)


def show_colours(path):
    """Has Krita compute a Colorize Mask, and shows what comes of it."""
    document, mask = _document(), _layer(path)
    mask.updateMask()
    mask.setEditKeyStrokes(False)
    mask.setShowOutput(True)
    document.waitForDone()
    document.refreshProjection()
    document.waitForDone()


def colorize_mask(path, file):
    """Writes a Colorize Mask's strokes into a file, one after another; returns all else of it."""
    document, mask = _document(), _layer(path)
    colours, frame = mask.keyStrokesColors(), (0, 0, document.width(), document.height())
    strokes = [bytes(mask.keyStrokePixelData(colour, *frame)) for colour in colours]
    Path(file).write_bytes(b"".join(strokes))
    return [
        [colour.components() for colour in colours],
        mask.transparencyIndex(),
        [mask.visible(), mask.showOutput(), mask.editKeyStrokes()],
    ]


def show(path, visible):
    _layer(path).setVisible(visible)
    _document().refreshProjection()


def deselect():
    Krita.instance().action("deselect").trigger()


def tree():
    """Layers from top to bottom: [path, blending mode]."""
    found = []

    def look(parent, prefix):
        for node in reversed(parent.childNodes()):
            if node.type() not in MASKS:
                found.append([prefix + node.name(), node.blendingMode()])
                look(node, prefix + node.name() + "/")

    look(_document().rootNode(), "")
    return found


def active_layer():
    return _document().activeNode().name()


def rename(path, name):
    _layer(path).setName(name)


def annotation():
    return bytes(_document().annotation("limner")).decode()


def is_idle():
    """Whether Krita has no stroke or update under way."""
    document = _document()
    if not document.tryBarrierLock():
        return False
    document.unlock()
    return True


def trigger(action):
    """Triggers one of Krita's actions."""
    Krita.instance().action(action).trigger()


def trigger_later(action):
    """Triggers it once this call has been answered."""
    QTimer.singleShot(0, lambda: trigger(action))


def shortcut(action):
    return Krita.instance().action(action).shortcut().toString()


def click(name):
    """Clicks a button of the docker; False where it cannot be clicked."""
    button = _widget(name)
    if not button.isEnabled():
        return False
    button.click()
    return True


def choose(name, text):
    """Chooses an entry of a list, as the artist does: opens it, picks, closes."""
    combo = _docker().findChild(QComboBox, name)
    combo.showPopup()
    entries = [combo.itemText(i).strip() for i in range(combo.count())]
    index = entries.index(text)
    combo.hidePopup()
    combo.setCurrentIndex(index)
    combo.activated.emit(index)


def choices(name):
    combo = _docker().findChild(QComboBox, name)
    combo.showPopup()
    combo.hidePopup()
    return [combo.itemText(i) for i in range(combo.count())]


def palette(name):
    """The colours of one of Krita's palettes, 8-bit RGB."""
    colours = Palette(Krita.instance().resources("palette")[name])
    swatches = [colours.colorSetEntryByIndex(i) for i in range(colours.colorsCountTotal())]
    return [
        [round(255 * part) for part in swatch.color().componentsOrdered()[:3]]
        for swatch in swatches
    ]


def variants():
    """The docker's thumbnails: tool tips, and which one is marked; None where there are none."""
    found = _widget("limner_variants")
    if not found.isVisibleTo(_docker()):
        return None
    return [[found.item(i).toolTip() for i in range(found.count())], found.currentRow()]


def pick(row):
    """Clicks a thumbnail."""
    thumbnails = _widget("limner_variants")
    place = thumbnails.visualItemRect(thumbnails.item(row)).center()
    QTest.mouseClick(thumbnails.viewport(), Qt.MouseButton.LeftButton, pos=place)


def press(name, key):
    """Presses a key in a widget of the docker."""
    QTest.keyClick(_widget(name), getattr(Qt.Key, key))


def thumbnail(row, file):
    """Writes a thumbnail into a file."""
    item = _widget("limner_variants").item(row)
    item.icon().pixmap(item.icon().availableSizes()[0]).save(file)


def preview(file):
    """Writes the docker's preview into a file; False where it shows none."""
    label = _widget("limner_preview")
    return label.isVisibleTo(_docker()) and label.pixmap().save(file)


def hold(name, is_held):
    """Presses a widget of the docker with the mouse, or lets it go."""
    act = QTest.mousePress if is_held else QTest.mouseRelease
    act(_widget(name), Qt.MouseButton.LeftButton)


def swatches(strip="limner_swatches"):
    """The palette strip: main colours, what each becomes, and marks; None where it is hidden."""
    pairs = _widget(strip)
    if not pairs.isVisibleTo(_docker()):
        return None
    strip = pairs.strip
    numbers = range(len(strip.source))
    marks = [(strip.is_locked(n) and "locked") or (n in strip.links and "chosen") for n in numbers]
    return [strip.codes, [strip.becomes(n).code for n in numbers], marks]


def links(strip="limner_swatches"):
    """What the artist has colours become, exactly: [number, red, green, blue]."""
    strip = _widget(strip).strip
    return [[number, *swatch.rgb] for number, swatch in sorted(strip.links.items())]


def exact_swatches(strip="limner_swatches"):
    """The main colours as they came."""
    return [swatch.rgb for swatch in _widget(strip).strip.source]


def _swatch(pairs, number, below):
    place = pairs._places()[number]
    point = place.center()
    point.setY(place.bottom() - 4 if below else place.top() + 4)
    return point


def click_swatch(number, below):
    """Clicks a swatch."""
    pairs = _widget("limner_swatches")
    place = _swatch(pairs, number, below)
    QTest.mouseClick(pairs, Qt.MouseButton.LeftButton, pos=place)


def drag_swatch(number, below, onto):
    """Drags a swatch onto one of the lower row."""
    pairs, button = _widget("limner_swatches"), Qt.MouseButton.LeftButton
    QTest.mousePress(pairs, button, pos=_swatch(pairs, number, below))
    # QTest moves the pointer alone, and without a window manager no widget hears of it.
    move = QEvent.Type.MouseMove, QPointF(_swatch(pairs, onto, True)), button, button
    QApplication.sendEvent(pairs, QMouseEvent(*move, Qt.KeyboardModifier.NoModifier))
    QTest.mouseRelease(pairs, button, pos=_swatch(pairs, onto, True))


def try_colour(code):
    """Chooses in the colour dialog, and leaves it open."""
    _docker().findChild(QColorDialog, "limner_colour_dialog").setCurrentColor(QColor(code))


def end_colours(is_taken):
    """Ends the colour dialog."""
    dialog = _docker().findChild(QColorDialog, "limner_colour_dialog")
    dialog.accept() if is_taken else dialog.reject()


def swatch_menu(number, text, strip="limner_swatches"):
    """Chooses an entry of a swatch's menu; returns all of them."""
    pairs = _widget(strip)
    place = _swatch(pairs, number, True)
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, place, pairs.mapToGlobal(place))
    QApplication.sendEvent(pairs, event)
    menu = pairs.findChild(QMenu, "limner_swatch_menu")
    texts = [action.text() for action in menu.actions()]
    menu.actions()[texts.index(text)].trigger()
    menu.close()
    return texts


def paint_with(rgb):
    """Makes a colour the one that the artist paints with."""
    own = "RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc"
    Krita.instance().activeWindow().activeView().setForeGroundColor(_managed(rgb, own))


def save_palette(row, file):
    """Saves a row of the strip; an empty file is what the dialog proposes. Returns the file."""
    _widget("limner_save_swatches").menu().actions()[row].trigger()
    dialog = _docker().findChild(QFileDialog, "limner_palette_dialog")
    if file:
        dialog.selectFile(file)
    chosen = dialog.selectedFiles()[0]
    dialog.accept()
    return chosen


def seconds_to_preview(number, code, strip="limner_swatches"):
    """Has a colour become another one, and measures until the docker shows what comes of it.

    Seconds of all, and of what the main thread does at once.
    """
    pairs, shown = _widget(strip), _widget("limner_preview")
    earlier, begun = shown._image, time.perf_counter()
    rgb = [int(code[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    pairs._link(number, type(pairs.strip.source[0]).of(rgb))
    held = time.perf_counter() - begun
    while shown._image is earlier and time.perf_counter() < begun + 10:
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
    return time.perf_counter() - begun, held


def is_live_current():
    """Whether live mode has followed all that the artist did."""
    return _docker()._session.live(_document()).is_current


def widgets():
    """Names of the docker's widgets."""
    found = _docker().findChildren(QWidget, QRegularExpression("^limner_"))
    return [widget.objectName() for widget in found]


def palettes():
    return sorted(Krita.instance().resources("palette"))


def is_shown(name):
    """Whether a widget of the docker is shown."""
    return _widget(name).isVisibleTo(_docker())


def visible(path):
    """Whether a layer is shown, as far as it is up to the layer itself."""
    return _layer(path).visible()


def remove(path):
    """Removes a layer as the artist does."""
    _layer(path).remove()


def is_enabled(name):
    """Whether a widget of the docker can be used."""
    return _widget(name).isEnabled()


def tip(name):
    """A widget's tool tip."""
    return _widget(name).toolTip()


def set_value(name, value):
    """Sets a spin box."""
    _widget(name).setValue(value)


def value(name):
    widget = _widget(name)
    if hasattr(widget, "currentText"):
        return widget.currentText()
    return widget.isChecked() if hasattr(widget, "isChecked") else widget.value()


def state():
    """What the docker shows."""
    notice, progress = _widget("limner_notice"), _widget("limner_progress")
    return {
        "engine": _widget("limner_engine").text(),
        "notice": notice.text() if notice.isVisibleTo(_docker()) else "",
        "running": progress.isVisibleTo(_docker()),
        "progress": progress.text(),
        "can_run": _widget("limner_run").isEnabled(),
    }


def grab(file):
    """A screenshot of the docker."""
    return _docker().grab().save(file)


def grab_window(file):
    return Krita.instance().activeWindow().qwindow().grab().save(file)


def clipped():
    """Widgets of the docker that are narrower than what they show."""
    return [
        widget.objectName()
        for widget in _docker().findChildren(QWidget, QRegularExpression("^limner_"))
        if widget.isVisibleTo(_docker()) and widget.width() < widget.minimumSizeHint().width()
    ]


class Stopwatch:
    """How long the main thread was busy at a stretch.

    gaps: between two calls of a 5 ms timer, as the artist feels them. slices: of the docker's own
    work. Both as [ms, ms of it in which the system gave the processor to others, stage shown].
    """

    running = None

    def __init__(self):
        self.gaps, self.slices, self.last = [], [], _clocks()
        # To find it takes too long for each tick.
        self.progress = _widget("limner_progress")
        self.timer = QTimer()
        self.timer.setTimerType(Qt.TimerType.PreciseTimer)
        self.timer.timeout.connect(self._tick)
        self.timer.start(5)
        self._step = turns.Turns._step
        turns.Turns._step = self._timed(self._step)
        # A timer that waits for a method does not keep its function alive.
        USED_STEPS.append(turns.Turns._step)

    def stop(self):
        self.timer.stop()
        turns.Turns._step = self._step

    def _tick(self):
        now = _clocks()
        self._note(self.gaps, self.last, now)
        self.last = now

    def _timed(self, step):
        def timed(own):
            begun = _clocks()
            step(own)
            self._note(self.slices, begun, _clocks())

        return timed

    def _note(self, where, begun, ended):
        passed, without = (round(1000 * (ended[i] - begun[i]), 1) for i in (0, 1))
        where.append([passed, without, self.progress.text()])


def _clocks():
    """Seconds: the time, and how long this thread waited for a processor, where Linux tells."""
    try:
        waited = int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        waited = 0.0
    return time.perf_counter(), waited


class Calls:
    """Krita's slow calls in each slice of the docker's own work that makes any."""

    running = None

    def __init__(self):
        self.slices, self._step = [], turns.Turns._step
        turns.Turns._step = self._counted(self._step)
        USED_STEPS.append(turns.Turns._step)

    def stop(self):
        turns.Turns._step = self._step

    def _counted(self, step):
        def counted(own):
            calls = []

            def note(_, event, function):
                name = getattr(function, "__name__", "")
                owner = getattr(function, "__self__", None)
                if event == "c_call" and name in SLOW and type(owner).__module__ != "builtins":
                    calls.append(name)

            sys.setprofile(note)
            try:
                step(own)
            finally:
                sys.setprofile(None)
                self.slices += [calls] if calls else []

        return counted


def start_counting():
    Calls.running = Calls()


def stop_counting():
    Calls.running.stop()
    return Calls.running.slices


def start_stopwatch():
    Stopwatch.running = Stopwatch()


def stop_stopwatch():
    """The longest gaps and slices, by the time in which the thread had a processor or waited."""
    watch = Stopwatch.running
    watch.stop()

    def own(entry):
        return entry[1] - entry[0]

    return {kind: sorted(getattr(watch, kind), key=own)[:10] for kind in ("gaps", "slices")}
