"""Pure rules of an upload's life: what each fact changes, and what the bytes must satisfy."""
