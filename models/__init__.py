"""Networks, one file each, and their weights; `registry` lists them without loading any."""
