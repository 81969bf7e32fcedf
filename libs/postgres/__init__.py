"""PostgreSQL: a pool per service under the service's own role and schema, transactions, migrations, batched writes."""
