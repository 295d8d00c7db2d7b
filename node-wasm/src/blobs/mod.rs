//! Chunks of models between tabs: asks peers for what the worker lacks, and gives what the worker has.
//! It keeps no chunk and computes nothing: the worker does both.

mod fetch;
mod line;
mod serve;

pub(crate) use fetch::{Fetcher, Wanted};
pub(crate) use serve::serve;
