"""Dead letters: finding them, sending them again, discarding them, and the log of what was done."""
