"""How fast a training is, and what bounds it."""
