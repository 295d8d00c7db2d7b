//! tests: a world for the node to live in, with virtual time and a network that can be made as bad as needed.
//! It knows the node from outside only: inputs, outputs, snapshots.

pub mod world;
