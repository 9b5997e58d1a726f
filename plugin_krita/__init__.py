"""Limner in Krita: a docker and two actions. Krita installs this folder as pykrita/limner."""

from krita import DockWidgetFactory, DockWidgetFactoryBase, Extension, Krita

from .docker import LimnerDocker
from .session import Session

DOCKER = "limner_docker"
SESSION = Session()


class LimnerExtension(Extension):
    """Krita's actions: they work with the docker closed, and can be given other shortcuts."""

    def setup(self) -> None:
        """Krita has started; nothing is left to do."""

    def createActions(self, window) -> None:  # noqa: N802  Krita's name
        """Adds the actions to a new window."""
        run = window.createAction("limner_run", "Run Limner", "tools/scripts")
        run.triggered.connect(lambda: _with_document(SESSION.run))
        scribbles = window.createAction(
            "limner_scribbles", "New Limner scribble layer", "tools/scripts"
        )
        scribbles.triggered.connect(lambda: _with_document(SESSION.add_scribbles))


def _with_document(act) -> None:
    """Does something with the document in view, and opens the docker, which tells how it went."""
    # The window that createActions is given does not live until an action is triggered.
    window = Krita.instance().activeWindow()
    view = window.activeView()
    if view is not None and view.document() is not None:
        for docker in window.dockers():
            if docker.objectName() == DOCKER:
                docker.setVisible(True)
        act(view.document())


Krita.instance().addExtension(LimnerExtension(Krita.instance()))
Krita.instance().addDockWidgetFactory(
    DockWidgetFactory(DOCKER, DockWidgetFactoryBase.DockRight, lambda: LimnerDocker(SESSION))
)
