"""Side-by-side measurements: ratios against a peer or a baseline, measured in one run."""
