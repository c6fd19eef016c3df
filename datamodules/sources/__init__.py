"""A module for each dataset, which finds, verifies and decodes it."""
