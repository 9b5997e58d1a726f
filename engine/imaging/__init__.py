"""Pixel functions: numpy arrays in, numpy arrays out; usable without the rest of the engine."""
