"""Pure rules: what a store's notification says, and when to say something again."""
