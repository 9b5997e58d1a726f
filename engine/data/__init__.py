"""Data that ships with the engine, and how it was derived."""
