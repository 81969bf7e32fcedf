"""All services in one process: embedded PostgreSQL, in-process bus and disk store, or real servers where they are set."""
