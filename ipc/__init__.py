"""The wire between an editor and the engine.

Runs inside editors, so: standard library only, Python 3.8 and later, relative imports.
"""

__version__ = "0.1.0"
PROTOCOL = 1
"""Version of the wire protocol (docs/protocol.md); changes apart from the package's version."""
