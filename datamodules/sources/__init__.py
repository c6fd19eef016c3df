"""Where each dataset is found, verified and decoded."""
