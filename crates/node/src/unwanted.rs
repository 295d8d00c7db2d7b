//! What a request's user is told where those who could compute it will not: on which ground, and in whose words.
//! It does not decide whom to ask: routes do.

use protocol::{Ground, Refusal, Refused};

use crate::desk::Desk;
use crate::io::{Code, Mode};
use crate::request::Request;

/// Said where an Owner has halted the swarm.
pub(crate) const HALTED: &str = "the swarm's owner has halted all work";

impl Request {
    /// Nobody was found in time: the terms of the last who said no stood in the way, or nobody was there.
    pub(crate) fn give_up(&mut self, desk: &mut Desk) {
        match &self.refused {
            Some(refused) if refused.why == Refusal::Halted => self.fail_halted(desk),
            Some(refused) if is_of_terms(refused) => self.fail_barred(desk),
            _ => self.fail(Code::NoRoute, "nobody holds the missing layers", desk),
        }
    }

    /// All work of the swarm stands still.
    pub(crate) fn fail_halted(&mut self, desk: &mut Desk) {
        self.fail_on(Code::NotAllowed, Some(Ground::Halted), HALTED, desk);
    }

    /// Somebody could, but does not work for this node: in their words where one has spoken.
    pub(crate) fn fail_barred(&mut self, desk: &mut Desk) {
        let said = self.refused.as_ref().filter(|refused| is_of_terms(refused));
        let ground = said.and_then(|refused| refused.ground);
        let message = match said {
            Some(refused) if !refused.detail.is_empty() => {
                format!("who holds these layers says: {}", refused.detail)
            }
            _ if self.ask.mode == Mode::Mine => {
                "the devices that hold these layers belong to nobody in a swarm of yours".to_owned()
            }
            _ => "the devices that hold these layers do not work for strangers to their swarm, or have no role in it"
                .to_owned(),
        };
        self.fail_on(Code::NotAllowed, ground, &message, desk);
    }
}

/// Whether it is their terms that say no, and not how busy or how large a device is: waiting does not change that.
pub(crate) fn is_of_terms(refused: &Refused) -> bool {
    refused.why == Refusal::Policy
        || matches!(refused.ground, Some(Ground::SessionsPerHour | Ground::Positions))
}
