"""The theoretical receptive field of every layer."""
