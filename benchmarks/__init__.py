"""The experiment: what is run, how it is timed, what is reported."""
