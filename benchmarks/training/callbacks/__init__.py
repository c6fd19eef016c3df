"""Callbacks of the Trainer, one job each."""
