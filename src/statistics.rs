//! Statistics of a handful of runs: pure functions, each with its source.
