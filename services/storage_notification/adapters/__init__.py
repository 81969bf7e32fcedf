"""Sources of notifications beside HTTP."""
