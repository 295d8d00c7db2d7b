//! The pieces that screens are made of, one per file.
//! They read and call `context`; what they compute is in the pure modules.

mod bring;
mod catalogue_list;
mod code;
mod composer;
mod connection;
mod consent_dialog;
mod dialog;
mod fault;
mod hello;
mod history;
mod icon;
mod invite;
mod job_line;
mod markdown;
mod message;
mod missing;
mod mode_switch;
mod model_card;
mod model_picker;
mod qr_code;
mod ring;
mod route;
mod shortcuts;

pub use bring::Bring;
pub use catalogue_list::CatalogueList;
pub use composer::Composer;
pub use connection::ConnectionPill;
pub use consent_dialog::ConsentDialog;
pub use dialog::Dialog;
pub use fault::FaultNotice;
pub use hello::Hello;
pub use history::History;
pub use icon::{Icon, Mark, icon};
pub use invite::Invite;
pub use job_line::JobLine;
pub use message::MessageItem;
pub use missing::Missing;
pub use model_card::ModelCard;
pub use ring::Ring;
pub use shortcuts::{ShortcutList, ShortcutSheet};
