"""File names as others send them: how their bytes are read, which of several names counts, and what may stay in a name."""
