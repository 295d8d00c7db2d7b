//! The node in a browser tab: the mesh, the compute worker, keys, behind one handle.
//! It exports nothing to JavaScript and paints nothing: the app and the SDK do.

#![cfg(target_arch = "wasm32")]

mod answer;
mod barred;
mod blobs;
mod bring_up;
mod catalogue;
mod channel;
mod chat;
mod codes;
mod command;
mod commons;
mod conditions;
mod config;
mod consents;
mod crypto;
mod driver;
mod effects;
mod ending;
mod entering;
mod error;
mod guard;
mod handle;
mod identity_card;
mod kept;
mod keys;
mod knobs;
mod locks;
mod models;
mod net;
mod pacer;
mod passkey;
mod receipts;
mod registries;
mod relay_api;
mod relay_desk;
mod remembered;
mod roll;
mod sealed;
mod shelf;
mod sites;
mod snapshot;
mod streams;
mod swarms;
mod view;
mod worker;

pub use catalogue::catalogue;
pub use chat::{ChatEvent, ChatRequest, ChatStream, FinishReason, HopInfo, Message, Mode, RouteInfo};
pub use codes::CodeReader;
pub use conditions::is_phone;
pub use config::{Backend, Config, Impairment, Storage, Wire};
pub use consents::{ConsentInfo, keep_receipt};
pub use entering::LinkInfo;
pub use error::Error;
pub use handle::{Handle, LendOptions};
pub use jobs::{ImportAbout, Kept, KeptModel, MAX_CODE_SIDE, Sampling};
pub use passkey::passkeys;
pub use relay_api::RelayHealth;
pub use sealed::{MAX_BACKUP_BYTES, MIN_PASSPHRASE_CHARS, Unlock, opens_with_passkey};
pub use shelf::{Progress, Shelf};
pub use sites::{Loader, SiteGave, SiteInfo};
pub use snapshot::{
    Backup, Connection, Gave, LendState, Lending, ModelInfo, Snapshot, SwarmInfo, WorkerInfo,
};
pub use swarms::{Attempt, MemberInfo, PolicyInfo, SwarmCard};
pub use view::Listening;
