"""Who carries a plan out: the sweep, its executors, ranks and nodes."""
