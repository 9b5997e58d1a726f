"""Networks, one file each, and their weights. None has been trained yet."""
