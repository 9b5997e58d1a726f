"""Limner in GIMP: one entry in Filters ▸ Limner for each operation of the catalogue.

Installed as plug-ins/limner/, with a copy of ipc/ beside these modules.
"""
