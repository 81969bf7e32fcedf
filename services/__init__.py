"""One package per service; they share `libs` and `contracts` and never import each other."""
