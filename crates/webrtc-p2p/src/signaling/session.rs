//! The order of signalling: offer, answer, candidates both ways, until connected.
//! It makes no descriptions and opens no connection; it only lets nothing wrong through.

use std::collections::VecDeque;

use super::{Message, MessageType, SignalingError};

/// The longest session description that is accepted. Those of data channels have one to two
/// KiB; with all candidates inside a few more.
pub const MAX_SDP_BYTES: usize = 16 * 1024;
/// The longest candidate that is accepted, as JSON; real ones have about 200 bytes.
pub const MAX_CANDIDATE_BYTES: usize = 2 * 1024;
/// How many candidates of one peer are tried. Each makes the browser send packets to an
/// address of the peer's choice, so a stranger gets no more than a machine with many
/// interfaces and servers would have.
pub const MAX_CANDIDATES: usize = 64;

/// Which side of the exchange we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We sent the offer: we dialled.
    Initiator,
    /// We answer.
    Responder,
}

impl Role {
    fn sends(self) -> MessageType {
        match self {
            Role::Initiator => MessageType::SdpOffer,
            Role::Responder => MessageType::SdpAnswer,
        }
    }

    fn expects(self) -> MessageType {
        match self {
            Role::Initiator => MessageType::SdpAnswer,
            Role::Responder => MessageType::SdpOffer,
        }
    }
}

/// What the peer told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Its session description: the offer for the responder, the answer for the initiator.
    RemoteDescription(String),
    /// One of its candidates, as JSON.
    RemoteCandidate(String),
}

/// One exchange. Give it what the stream yields, send what [`Session::take_output`] yields.
#[derive(Debug)]
pub struct Session {
    role: Role,
    buffer: Vec<u8>,
    described_us: bool,
    described_peer: bool,
    connected: bool,
    candidates_received: usize,
    candidates_sent: usize,
    /// Candidates found before our description went out: they follow it.
    held_back: Vec<String>,
    events: VecDeque<Event>,
    output: Vec<u8>,
}

impl Session {
    /// A fresh exchange.
    pub fn new(role: Role) -> Session {
        Session {
            role,
            buffer: Vec::new(),
            described_us: false,
            described_peer: false,
            connected: false,
            candidates_received: 0,
            candidates_sent: 0,
            held_back: Vec::new(),
            events: VecDeque::new(),
            output: Vec::new(),
        }
    }

    /// Sends our session description, and the candidates that were waiting for it.
    pub fn send_description(&mut self, sdp: String) {
        self.send(self.role.sends(), sdp);
        self.described_us = true;
        for candidate in std::mem::take(&mut self.held_back) {
            self.send(MessageType::IceCandidate, candidate);
        }
    }

    /// Sends one of our candidates, as JSON. The end of candidates is not told, as js-libp2p
    /// does not; after [`Session::connected`] nothing is sent any more.
    pub fn send_candidate(&mut self, json: String) {
        if self.connected || is_end_of_candidates(&json) || self.candidates_sent >= MAX_CANDIDATES {
            return;
        }
        self.candidates_sent += 1;
        if self.described_us {
            self.send(MessageType::IceCandidate, json);
        } else {
            self.held_back.push(json);
        }
    }

    /// Takes bytes of the peer. After an error the exchange is over.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<(), SignalingError> {
        if self.connected {
            return Ok(()); // The peer may not know yet; nothing it says matters now.
        }
        self.buffer.extend_from_slice(bytes);
        while let Some(message) = Message::take(&mut self.buffer)? {
            self.on_message(message)?;
        }
        Ok(())
    }

    /// The stream ended. That is fine once both descriptions are exchanged: a peer that is
    /// connected already closes its side while we are still connecting.
    pub fn stream_ended(&self) -> Result<(), SignalingError> {
        if self.described_peer || self.connected {
            Ok(())
        } else {
            Err(SignalingError::EndedEarly {
                missing: self.role.expects(),
            })
        }
    }

    /// The connection stands.
    pub fn connected(&mut self) {
        self.connected = true;
        self.buffer = Vec::new();
        self.held_back = Vec::new();
        self.events.clear();
    }

    /// What the peer told, in order.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The bytes to send, empty when there are none.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    fn on_message(&mut self, message: Message) -> Result<(), SignalingError> {
        let Message { ty, data } = message;
        let expected = if self.described_peer {
            MessageType::IceCandidate
        } else {
            self.role.expects()
        };
        if ty != expected {
            return Err(SignalingError::Unexpected { expected, got: ty });
        }
        if ty == MessageType::IceCandidate {
            return self.on_candidate(data);
        }
        check_description(&data)?;
        self.described_peer = true;
        self.events.push_back(Event::RemoteDescription(data));
        Ok(())
    }

    fn on_candidate(&mut self, json: String) -> Result<(), SignalingError> {
        if is_end_of_candidates(&json) {
            return Ok(());
        }
        if json.len() > MAX_CANDIDATE_BYTES {
            return Err(SignalingError::CandidateTooLong {
                bytes: json.len(),
                max: MAX_CANDIDATE_BYTES,
            });
        }
        if self.candidates_received >= MAX_CANDIDATES {
            return Err(SignalingError::TooManyCandidates { max: MAX_CANDIDATES });
        }
        self.candidates_received += 1;
        self.events.push_back(Event::RemoteCandidate(json));
        Ok(())
    }

    fn send(&mut self, ty: MessageType, data: String) {
        self.output.extend(Message { ty, data }.encode());
    }
}

/// The forms in which peers say that there are no more candidates.
fn is_end_of_candidates(json: &str) -> bool {
    matches!(json.trim(), "" | "null" | "\"\"")
}

/// A description for data channels has one section. A peer that offers cameras and screens
/// wants something else from the browser than a connection.
fn check_description(sdp: &str) -> Result<(), SignalingError> {
    if sdp.len() > MAX_SDP_BYTES {
        return Err(SignalingError::DescriptionTooLong {
            bytes: sdp.len(),
            max: MAX_SDP_BYTES,
        });
    }
    let mut sections = sdp.lines().filter(|line| line.starts_with("m="));
    match (sections.next(), sections.next()) {
        (Some(only), None) if only.starts_with("m=application ") => Ok(()),
        _ => Err(SignalingError::DescriptionNotData),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const SDP: &str =
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n";

    fn wire(ty: MessageType, data: &str) -> Vec<u8> {
        Message {
            ty,
            data: data.into(),
        }
        .encode()
    }

    fn responder_after_offer() -> Session {
        let mut session = Session::new(Role::Responder);
        session.receive(&wire(MessageType::SdpOffer, SDP)).unwrap();
        assert_eq!(session.next_event(), Some(Event::RemoteDescription(SDP.into())));
        session
    }

    #[test]
    fn two_sessions_exchange_descriptions_and_candidates() {
        let (mut a, mut b) = (Session::new(Role::Initiator), Session::new(Role::Responder));
        a.send_description(SDP.into());
        a.send_candidate("{\"candidate\":\"a1\"}".into());
        b.receive(&a.take_output()).unwrap();
        assert_eq!(b.next_event(), Some(Event::RemoteDescription(SDP.into())));
        assert_eq!(
            b.next_event(),
            Some(Event::RemoteCandidate("{\"candidate\":\"a1\"}".into()))
        );
        b.send_description(SDP.into());
        b.send_candidate("{\"candidate\":\"b1\"}".into());
        a.receive(&b.take_output()).unwrap();
        assert_eq!(a.next_event(), Some(Event::RemoteDescription(SDP.into())));
        assert_eq!(
            a.next_event(),
            Some(Event::RemoteCandidate("{\"candidate\":\"b1\"}".into()))
        );
        assert_eq!(a.next_event(), None);
    }

    #[test]
    fn candidates_found_early_follow_the_description() {
        let mut session = Session::new(Role::Initiator);
        session.send_candidate("{\"candidate\":\"early\"}".into());
        assert!(session.take_output().is_empty());
        session.send_description(SDP.into());
        let mut buffer = session.take_output();
        assert_eq!(
            Message::take(&mut buffer).unwrap().unwrap().ty,
            MessageType::SdpOffer
        );
        assert_eq!(
            Message::take(&mut buffer).unwrap().unwrap().ty,
            MessageType::IceCandidate
        );
    }

    #[test]
    fn nothing_is_sent_or_heard_after_the_connection_stands() {
        let mut session = responder_after_offer();
        session.connected();
        session.send_candidate("{\"candidate\":\"late\"}".into());
        assert!(session.take_output().is_empty());
        session.receive(&[0xff; 64]).unwrap();
        session.receive(&wire(MessageType::IceCandidate, "{}")).unwrap();
        assert_eq!(session.next_event(), None);
    }

    #[test]
    fn the_end_of_candidates_is_tolerated_in_every_form_and_never_sent() {
        let mut session = responder_after_offer();
        for form in ["", "null", "\"\"", " null "] {
            session.receive(&wire(MessageType::IceCandidate, form)).unwrap();
            session.send_candidate(form.into());
        }
        assert_eq!(session.next_event(), None);
        session.send_description(SDP.into());
        let mut buffer = session.take_output();
        Message::take(&mut buffer).unwrap();
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_message_out_of_turn_is_refused() {
        let check = |role, messages: &[MessageType], expected, got| {
            let mut session = Session::new(role);
            let bytes: Vec<u8> = messages.iter().flat_map(|ty| wire(*ty, SDP)).collect();
            assert_eq!(
                session.receive(&bytes),
                Err(SignalingError::Unexpected { expected, got })
            );
        };
        use MessageType::*;
        check(Role::Responder, &[SdpAnswer], SdpOffer, SdpAnswer);
        check(Role::Responder, &[IceCandidate], SdpOffer, IceCandidate);
        check(Role::Responder, &[SdpOffer, SdpOffer], IceCandidate, SdpOffer);
        check(Role::Initiator, &[SdpOffer], SdpAnswer, SdpOffer);
        check(Role::Initiator, &[SdpAnswer, SdpAnswer], IceCandidate, SdpAnswer);
    }

    #[test]
    fn a_flood_of_candidates_ends_at_the_cap() {
        let mut session = responder_after_offer();
        for _ in 0..MAX_CANDIDATES {
            session
                .receive(&wire(MessageType::IceCandidate, "{\"candidate\":\"x\"}"))
                .unwrap();
        }
        assert_eq!(
            session.receive(&wire(MessageType::IceCandidate, "{\"candidate\":\"x\"}")),
            Err(SignalingError::TooManyCandidates { max: MAX_CANDIDATES })
        );
        let mut ours = Session::new(Role::Initiator);
        (0..1_000).for_each(|_| ours.send_candidate("{}".into()));
        assert_eq!(ours.held_back.len(), MAX_CANDIDATES);
    }

    #[test]
    fn oversized_descriptions_and_candidates_are_refused() {
        let mut session = Session::new(Role::Responder);
        let long = format!("{SDP}{}", "a".repeat(MAX_SDP_BYTES));
        let error = session.receive(&wire(MessageType::SdpOffer, &long)).unwrap_err();
        assert!(
            matches!(error, SignalingError::MessageTooLong { .. }),
            "refused at its prefix: {error}"
        );
        let just = format!("{SDP}{}", "a".repeat(MAX_SDP_BYTES + 1 - SDP.len()));
        let error = Session::new(Role::Responder)
            .receive(&wire(MessageType::SdpOffer, &just))
            .unwrap_err();
        assert_eq!(
            error,
            SignalingError::DescriptionTooLong {
                bytes: MAX_SDP_BYTES + 1,
                max: MAX_SDP_BYTES
            }
        );
        let mut session = responder_after_offer();
        let error = session
            .receive(&wire(
                MessageType::IceCandidate,
                &"a".repeat(MAX_CANDIDATE_BYTES + 1),
            ))
            .unwrap_err();
        assert!(matches!(error, SignalingError::CandidateTooLong { .. }));
    }

    #[test]
    fn a_description_with_media_or_without_data_is_refused() {
        for sdp in [
            "",
            "garbage",
            "v=0\r\nm=audio 9 RTP/AVP 0\r\n",
            &format!("{SDP}m=video 9 RTP/AVP 96\r\n"),
        ] {
            let error = Session::new(Role::Responder).receive(&wire(MessageType::SdpOffer, sdp));
            assert_eq!(error, Err(SignalingError::DescriptionNotData), "{sdp}");
        }
    }

    #[test]
    fn a_stream_may_end_only_after_the_descriptions() {
        let missing = MessageType::SdpOffer;
        assert_eq!(
            Session::new(Role::Responder).stream_ended(),
            Err(SignalingError::EndedEarly { missing })
        );
        assert_eq!(responder_after_offer().stream_ended(), Ok(()));
    }
}
