"""What every process does the same way: settings, start and ordered stop, health, signals."""
