"""Real servers for the tests: each one by URL if given, else started here, else the run fails."""
