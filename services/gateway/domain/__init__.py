"""The gateway's rules: names, content types, roles, states, errors. No input or output."""
