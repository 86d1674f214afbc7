//! The recipes of `docs/recipes`, built from the files in `examples` and the distribution's packages, and broken.
//!
//! `make recipes` shows the table of failures; it sets `KEEPALIVED_RECIPES`, and then nothing is skipped.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

mod haproxy;
mod lvs;
mod mariadb;
mod mysql;
mod nginx;
mod support;
mod zabbix;
