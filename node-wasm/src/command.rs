//! What the page asks of a running node.
//! Only words: the driver turns them into inputs.

use node::io::{Input, Lend, RequestId};
use protocol::Power;

/// A wish of the page.
pub(crate) enum Command {
    Lend(Box<Lend>),
    StopLending,
    Cancel(RequestId),
    Conditions {
        background: bool,
        power: Power,
    },
    Leaving,
    /// End the loop.
    Stop,
}

impl Command {
    /// The node's word for it; nothing for what concerns the driver alone.
    pub(crate) fn into_input(self) -> Option<Input> {
        Some(match self {
            Command::Lend(lend) => Input::Lend(lend),
            Command::StopLending => Input::StopLending,
            Command::Cancel(request) => Input::Cancel { request },
            Command::Conditions { background, power } => Input::Conditions { background, power },
            Command::Leaving => Input::Leaving,
            Command::Stop => return None,
        })
    }
}
