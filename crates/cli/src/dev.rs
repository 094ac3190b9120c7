//! A cluster to try things with: three agents in one process on loopback, and services that come and go.

pub(crate) mod cluster;
pub(crate) mod samples;
pub(crate) mod screen;
pub(crate) mod stopwatch;
