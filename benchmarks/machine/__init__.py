"""The machine and the process: what it is, and the settings every run shares."""
