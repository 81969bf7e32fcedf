"""Objects by key: one port, two adapters (any S3-compatible service, a directory), one way to sign upload URLs."""
