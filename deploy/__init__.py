"""How the services are put together and run: standalone, containers, broker topology, database roles."""
