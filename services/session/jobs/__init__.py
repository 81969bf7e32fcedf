"""What happens to sessions without an event: each job has `once`, which says whether there may be more to do at once."""
