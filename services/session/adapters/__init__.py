"""The virus scanner, where there is one."""
