"""The daemon and the command line: colours line art and recolours pictures."""
