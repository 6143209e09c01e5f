"""Plain frozen values and the rules on them. No I/O, no framework."""
