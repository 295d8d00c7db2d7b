//! One of every message, an offer and a receipt, and the keys that sign them.
//! Nothing is checked here: `wire` does that.

use std::sync::OnceLock;

use identity::{
    CoSigned, Credential, LocalKey, RecordHash, SessionDelegation, Signed, SigningKey as _, Timestamp,
    Validity,
};
use protocol::*;

/// When everything here was signed.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

pub(crate) fn session(seed: u8) -> LocalKey {
    LocalKey::eddsa(&[seed; 32]).unwrap()
}

pub(crate) fn name_of(key: &LocalKey) -> PeerId {
    PeerId::from_bytes(&key.public_key().peer_id().unwrap()).unwrap()
}

/// An owner's key, made once: to make one takes as long as to sign.
pub(crate) fn owner(seed: u8) -> &'static LocalKey {
    static KEYS: [OnceLock<LocalKey>; 8] = [const { OnceLock::new() }; 8];
    KEYS[usize::from(seed)].get_or_init(|| LocalKey::es256(&[seed; 32]).unwrap())
}

pub(crate) fn delegation(seed: u8) -> SessionDelegation {
    SessionDelegation {
        peer_id: session(seed).public_key().peer_id().unwrap(),
        validity: Validity::starting(NOW, std::time::Duration::from_secs(3_600)),
    }
}

/// That the session `seed` acts for the P-256 key `seed`.
pub(crate) fn credential(seed: u8) -> Credential {
    credential_of(owner(seed), seed)
}

pub(crate) fn credential_of(owner: &LocalKey, seed: u8) -> Credential {
    Credential {
        session: Signed::sign(&delegation(seed), owner).unwrap(),
        device: None,
    }
}

pub(crate) fn party(key: &LocalKey, seed: u8, number: u64) -> Party {
    Party {
        key: key.public_key(),
        number,
        previous: (number > 1).then(|| RecordHash::from_bytes([seed; 32])),
        peer_id: Blob::new(session(seed).public_key().peer_id().unwrap()).unwrap(),
        credential: credential_of(key, seed),
    }
}

pub(crate) fn receipt() -> Receipt {
    receipt_of([owner(1), owner(2)])
}

pub(crate) fn receipt_of([worker, requester]: [&LocalKey; 2]) -> Receipt {
    Receipt {
        job: JobId(5),
        kind: JobKind::Inference,
        swarm: SwarmId([7; 32]),
        model: ModelId([9; 32]),
        layers: LayerRange::new(0, 4).unwrap(),
        tokens_in: 300,
        tokens_out: 64,
        compute_ms: 2_500,
        ended: NOW,
        worker: party(worker, 1, 7),
        requester: party(requester, 2, 1),
    }
}

pub(crate) fn signed_receipt() -> CoSigned<Receipt> {
    CoSigned::sign(&receipt(), &[owner(1), owner(2)]).unwrap()
}

/// Owners whose signatures are quickly made and checked, for receipts that are changed thousands of times.
pub(crate) fn quick_owners() -> [LocalKey; 2] {
    [11, 12].map(|seed| LocalKey::eddsa(&[seed; 32]).unwrap())
}

/// One of each, with every field set to something that is seen in its bytes.
pub(crate) fn messages() -> Vec<(&'static str, Message)> {
    let peer = |name: &str| PeerId::new(name).unwrap();
    let layers = LayerRange::new(4, 8).unwrap();
    let address = Address::new("/ip4/192.0.2.1/tcp/8787/ws/p2p/12D3KooWRelay/p2p-circuit/webrtc").unwrap();
    let next = Next {
        peer: peer("12D3KooWNext"),
        addresses: Addresses::new(vec![address]).unwrap(),
        session: SessionId(78),
        from: 9,
    };
    let open = Open {
        session: SessionId(77),
        kind: JobKind::Inference,
        swarm: SwarmId([7; 32]),
        model: ModelId([9; 32]),
        stage: Stage {
            embed: false,
            layers,
            head: true,
        },
        epoch: 3,
        shadow: false,
        previous: Some(peer("12D3KooWPrevious")),
        next: List::new(vec![next]).unwrap(),
        sampling: Some(Sampling {
            temperature: 0.7,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.05,
            repeat_penalty: 1.1,
            seed: 5,
        }),
        wire: WireType::Q8,
        max_positions: 2_048,
        delegation: Some(Box::new(credential(3))),
        authorization: Some(Blob::new(vec![4, 5]).unwrap()),
        job: JobId(12),
    };
    let hidden = Activations::new(WireType::F16, 2, 3, (0..12).collect::<Vec<u8>>().into()).unwrap();
    let tokens = Step {
        epoch: 1,
        first_position: 16,
        payload: Payload::Tokens(List::new(vec![1, 403, u32::MAX]).unwrap()),
        samples: 1,
        recent: Some(List::new(vec![5, 6]).unwrap()),
    };
    let replay = Replay {
        epoch: 4,
        keep: 100,
        previous: None,
        next: open.next.clone(),
        shadow: true,
    };
    vec![
        (
            "hello",
            Message::Hello(Hello {
                requester: peer("12D3KooWRequester"),
                session: SessionId(77),
                epoch: 3,
            }),
        ),
        ("open", Message::Open(Box::new(open))),
        (
            "opened",
            Message::Opened(Opened {
                epoch: 3,
                positions: 2_048,
                us_per_token: 12_500,
            }),
        ),
        (
            "refused",
            Message::Refused(Refused {
                why: Refusal::Busy,
                detail: Text::new("too many sessions just now").unwrap(),
                quote: Some(Blob::new(vec![6]).unwrap()),
                ground: None,
            }),
        ),
        (
            "refused_ground",
            Message::Refused(Refused {
                why: Refusal::Policy,
                detail: Text::new("this kind of work (0) is not done here").unwrap(),
                quote: None,
                ground: Some(Ground::Kind),
            }),
        ),
        ("step_tokens", Message::Step(tokens)),
        (
            "step_hidden",
            Message::Step(Step {
                epoch: 1,
                first_position: 16,
                payload: Payload::Hidden(hidden),
                samples: 2,
                recent: None,
            }),
        ),
        (
            "token",
            Message::Token(Token {
                epoch: 1,
                position: 19,
                ids: List::new(vec![29_889, 2]).unwrap(),
            }),
        ),
        ("replay", Message::Replay(replay)),
        (
            "ack",
            Message::Ack(Ack {
                credit_bytes: 131_072,
            }),
        ),
        (
            "trace",
            Message::Trace(Trace {
                epoch: 1,
                first_position: 16,
                positions: 3,
                queue_ms: 2,
                compute_ms: 31,
                bytes: 768,
            }),
        ),
        (
            "report",
            Message::Report(Report {
                epoch: 1,
                fault: Fault::Unreachable,
                peer: Some(peer("12D3KooWNext")),
            }),
        ),
        ("leaving", Message::Leaving(Leaving { grace_ms: 50 })),
        (
            "close",
            Message::Close(Close {
                reason: CloseReason::Cancelled,
            }),
        ),
        ("queued", Message::Queued(Queued { epoch: 3, ahead: 2 })),
        ("settle", Message::Settle(Box::new(party(owner(2), 2, 8)))),
        ("receipt", Message::Receipt(Box::new(signed_receipt()))),
        (
            "registry_ask",
            Message::RegistryAsk(RegistryAsk {
                swarm: SwarmId([7; 32]),
                head: Some(RegistryHead {
                    sequence: 4,
                    hash: RecordHash::from_bytes([4; 32]),
                }),
                from: Some(32),
            }),
        ),
        (
            "registry_page",
            Message::RegistryPage(RegistryPage {
                swarm: SwarmId([7; 32]),
                records: List::new(vec![Blob::new(vec![1, 2, 3]).unwrap()]).unwrap(),
                statements: List::new(vec![Blob::new(vec![4, 5]).unwrap()]).unwrap(),
                next: Some(33),
            }),
        ),
    ]
}

pub(crate) fn offer() -> Offer {
    let peer = |name: &str| PeerId::new(name).unwrap();
    Offer {
        swarm: SwarmId([7; 32]),
        peer: name_of(&session(1)),
        addresses: Addresses::new(vec![Address::new("/dns4/relay.example/tcp/443/wss").unwrap()]).unwrap(),
        kinds: List::new(vec![JobKind::Inference, JobKind::Other(900)]).unwrap(),
        work: Some(Work {
            model: ModelId([9; 32]),
            layers: LayerRange::new(0, 4).unwrap(),
            model_layers: 22,
            us_per_token: 41_000,
            sessions: 16,
            positions: 8_192,
            whole: true,
            batch_invariant: None,
        }),
        memory_bytes: 1 << 33,
        keep_bytes: 1 << 20,
        backend: Backend::Gpu,
        power: Power::Battery,
        background: true,
        terms: Terms::Members,
        sequence: 12,
        lifetime_s: 15,
        links: List::new(vec![Link {
            peer: peer("12D3KooWNear"),
            one_way_ms: 4,
        }])
        .unwrap(),
        issued_at: NOW,
        credential: Some(credential(1)),
        registry: Some(RegistryHead {
            sequence: 4,
            hash: RecordHash::from_bytes([4; 32]),
        }),
    }
}

/// The same of a device that computes one row after the other.
pub(crate) fn row_by_row() -> Offer {
    let mut offer = offer();
    offer.work.as_mut().unwrap().batch_invariant = Some(false);
    offer
}

pub(crate) fn signed_offer(offer: &Offer) -> Vec<u8> {
    Signed::sign(offer, &session(1)).unwrap().to_bytes()
}
