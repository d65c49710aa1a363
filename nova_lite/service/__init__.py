"""service: what every daemon is: it registers, says that it lives, does things from time to time, and ends in order."""
