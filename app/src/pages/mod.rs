//! One screen per file, under the contract's addresses.
//! Screens arrange components; what they know comes from `context`.

mod chat;
mod keys;
mod lend;
mod models;
mod settings;
mod swarm;

pub use chat::ChatPage;
pub use keys::KeysPage;
pub use lend::LendPage;
pub use models::ModelsPage;
pub use settings::SettingsPage;
pub use swarm::SwarmPage;
