"""The broker's topology, generated from what the services handle.

Two ways to apply it: import `definitions-3.10.json` or `definitions-4.json` (`rabbitmqctl import_definitions`, or the
management plugin), which uses policies and needs an administrator; or `python -m deploy.rabbitmq declare`, which needs AMQP
alone and puts the same settings into queue arguments. Do it before traffic starts: a quorum queue younger than a second does
not survive a `kill -9` of the broker.

Neither makes users. A service's own needs `configure` nothing (`^$`), `write` `^uploads\\.` and `read` `^<service>\\.`; then it
cannot make a queue that the deployment does not know.
"""
