//! Findings about configurations that are legal and wrong.
#![forbid(unsafe_code)]
