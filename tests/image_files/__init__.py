"""Image files as cameras and programs write them, for which there is no writer that the tests could use."""
