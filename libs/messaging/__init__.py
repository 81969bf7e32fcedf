"""Events between services: one port, two adapters (RabbitMQ, in-process), at-least-once delivery, idempotent handlers."""
