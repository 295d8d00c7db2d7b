//! What the screens need of the browser itself, one need per file.
//! Nothing of the node is here, and nothing is drawn.

pub mod capabilities;
pub mod files;
pub mod focus;
pub mod history;
pub mod home;
pub mod idle;
pub mod kept;
pub mod page;
pub mod power;
pub mod scan;
pub mod tone;
