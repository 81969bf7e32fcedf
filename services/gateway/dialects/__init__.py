"""One folder per published API: its routes, its models, its words. Dialects know nothing of each other."""
