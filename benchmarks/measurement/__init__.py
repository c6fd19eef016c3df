"""How fast a training runs, and what bounds its speed."""
