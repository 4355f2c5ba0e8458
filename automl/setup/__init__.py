"""From names to objects: targets, the parts of a search, checks of a space."""
