"""What happens to the weights of a net."""
