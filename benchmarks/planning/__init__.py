"""What shall be run: protocols, plans and keys."""
