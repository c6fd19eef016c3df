"""Analysis of nets without training them."""
