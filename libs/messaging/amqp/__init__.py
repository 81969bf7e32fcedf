"""The parts of the RabbitMQ adapter: connection, message format, publisher, consumer, declaration, dead letters."""
