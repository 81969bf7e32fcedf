"""The one job kit: long work runs from rows of PostgreSQL under leases, and never holds a message.

Whoever has jobs supplies three things:

- a class whose instances are claimed jobs. Each names its `lease` and its `tenant_id` (`libs.jobs.lease.Job`);
- a `JobRepository`, which holds the service's SQL: `claim`, `renew`, `record` and `release`, each of them one transaction over
  a set of jobs. A claim gives every row a lease of its own (`gen_random_uuid()`), and every later statement names row and
  lease: what came of a job under a lease that was lost is void. Due times are written as `now() + pause`: nobody's clock
  counts but the database's;
- `handle`, which does the work of one job without any transaction and returns what came of it. It translates the errors that it
  expects into such results; what it says under way goes through the repository, and raises LeaseLostError where that says so.

A `Worker` brings them together:

- `slots` jobs run side by side; a slot is free again when the result of its job is recorded, and is then filled by itself;
- results that are there together are recorded together, in one transaction. Where the database is away they wait for it, the
  jobs go on and nothing is claimed;
- all leases are renewed in one statement (`lease`). The job of a lost lease is cancelled, and `abandon` may tidy up after it;
- a claim gets `ClaimLimits`. `claim.due_in_turns` is the SQL by which tenants take turns;
- a stop lets jobs end for `drain_seconds`, cancels the others and gives them back (`drain`).

`retry` has pauses as data, `timer` is for what needs no leases: steps that are repeated.
"""
