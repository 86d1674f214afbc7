//! Dates as log lines carry them.
