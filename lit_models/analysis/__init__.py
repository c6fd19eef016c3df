"""What can be said of a net without training it."""
