//! Receipts: what was done in a session that is over, signed by both sides, and the chain that each side numbers.
//! It gives no credit and stores nothing: what is complete goes to the shell, to be kept.
//!
//! After `Close` the requester says its side (`Settle`), the worker signs the receipt, the requester compares it with
//! what it was told step by step, signs too and sends it back. One at a time as requester: each names the one before.
//! A worker's number is spent when it has signed: whoever does not answer leaves a receipt with one signature, which
//! proves nothing but keeps the chain whole.

use std::collections::{BTreeMap, VecDeque};

use identity::{CoSigned, MAX_CLOCK_SKEW, RecordHash, Scheme, Signature};
use protocol::{Blob, JobId, JobKind, LayerRange, Message, ModelId, Party, PeerId, Receipt, SwarmId, Trace};

use crate::desk::Desk;
use crate::io::{Effect, EffectId, Keep, Now, Output, StreamId};
use crate::myself::Myself;

/// The other side signs within this, or there is no receipt.
const PATIENCE_MS: u64 = 10_000;
/// Sessions whose receipt is due, each way: as many as can end at once, and those before them.
const MAX_DUE: usize = 64;

/// What was done in a session.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Facts {
    pub(crate) job: JobId,
    pub(crate) kind: JobKind,
    pub(crate) swarm: SwarmId,
    pub(crate) model: ModelId,
    pub(crate) layers: LayerRange,
    pub(crate) tally: Tally,
}

/// Work, as it was told in traces.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) positions: u64,
    /// Of these, with a sample; for a requester: those that it asked for.
    pub(crate) sampled: u64,
    pub(crate) compute_ms: u64,
}

/// A session is over; its control stream is open still.
pub(crate) struct Over {
    pub(crate) stream: StreamId,
    pub(crate) peer: PeerId,
    pub(crate) facts: Facts,
    /// This node asked; else it computed.
    pub(crate) asked: bool,
}

/// See the file's head.
#[derive(Default)]
pub(crate) struct Receipts {
    as_worker: Chain,
    as_requester: Chain,
    /// For others.
    made: BTreeMap<StreamId, Made>,
    /// By others; the first is being settled.
    due: VecDeque<Due>,
}

#[derive(Default)]
struct Chain {
    number: u64,
    previous: Option<RecordHash>,
}

struct Made {
    peer: PeerId,
    facts: Facts,
    until: Now,
    signing: Option<EffectId>,
    receipt: Option<CoSigned<Receipt>>,
}

struct Due {
    over: Over,
    /// What was said as `Settle`, and until when an answer is waited for.
    said: Option<(Party, Now)>,
    signing: Option<(EffectId, CoSigned<Receipt>)>,
}

impl Tally {
    pub(crate) fn note(&mut self, trace: &Trace) {
        self.positions = self.positions.saturating_add(trace.positions.into());
        self.compute_ms = self.compute_ms.saturating_add(trace.compute_ms.into());
    }
}

impl Chain {
    fn party(&self, myself: &Myself) -> Option<Party> {
        let (key, _, credential) = myself.accountable()?;
        Some(Party {
            key,
            number: self.number + 1,
            previous: self.previous,
            peer_id: Blob::new(myself.session().0.peer_id()?).ok()?,
            credential: credential.clone(),
        })
    }

    fn advance(&mut self, hash: RecordHash) {
        (self.number, self.previous) = (self.number + 1, Some(hash));
    }
}

impl Receipts {
    /// A session is over: its receipt is due.
    pub(crate) fn over(&mut self, over: Over, desk: &mut Desk) {
        if desk.line(over.stream).is_none() {
            // It closed meanwhile: there is nobody to settle with, and the others are not to wait for that.
            return;
        }
        if over.facts.tally.positions == 0 || self.due.len() >= MAX_DUE || self.made.len() >= MAX_DUE {
            return desk.close(over.stream);
        }
        if over.asked {
            let (said, signing) = (None, None);
            return self.due.push_back(Due { over, said, signing });
        }
        let (signing, receipt) = (None, None);
        let made = Made {
            peer: over.peer,
            facts: over.facts,
            until: desk.now.plus_ms(PATIENCE_MS),
            signing,
            receipt,
        };
        self.made.insert(over.stream, made);
    }

    /// A message on a stream of a session that is over.
    pub(crate) fn received(&mut self, stream: StreamId, message: Message, myself: &Myself, desk: &mut Desk) {
        if let Some(due) = self.due.iter_mut().find(|due| due.over.stream == stream) {
            match message {
                // What was said before the end, and arrives after it.
                Message::Trace(trace) => due.over.facts.tally.note(&trace),
                Message::Receipt(receipt) => match due.check(&receipt, desk) {
                    Ok(()) => due.sign(*receipt, myself, desk),
                    Err(why) => {
                        tracing::info!(%why, "a receipt is not signed");
                        self.drop_stream(stream, desk);
                    }
                },
                Message::Token(_) | Message::Ack(_) | Message::Opened(_) | Message::Report(_) => {}
                _ => self.drop_stream(stream, desk),
            }
            return;
        }
        let Some(made) = self.made.get_mut(&stream) else {
            return desk.close(stream);
        };
        match message {
            Message::Settle(party) if made.receipt.is_none() => {
                if !made.make(*party, &mut self.as_worker, myself, desk) {
                    self.drop_stream(stream, desk);
                }
            }
            Message::Receipt(receipt) => {
                let same = made
                    .receipt
                    .as_ref()
                    .is_some_and(|ours| ours.hash() == receipt.hash());
                if same && Receipt::verify(&receipt).is_ok() {
                    desk.output(Output::Keep(Keep::Receipt(receipt)));
                    made.receipt = None;
                }
                self.drop_stream(stream, desk);
            }
            // Said before the requester's own Close arrived here.
            Message::Step(_) | Message::Replay(_) | Message::Ack(_) => {}
            _ => self.drop_stream(stream, desk),
        }
    }

    /// A stream ended.
    pub(crate) fn closed(&mut self, stream: StreamId, desk: &mut Desk) {
        if let Some(Made {
            receipt: Some(receipt),
            signing: None,
            ..
        }) = self.made.remove(&stream)
        {
            desk.output(Output::Keep(Keep::Receipt(Box::new(receipt))));
        }
        self.due.retain(|due| due.over.stream != stream);
    }

    /// A signature came. `true` where it was for one of these.
    pub(crate) fn signed(
        &mut self,
        effect: EffectId,
        signature: Option<&Signature>,
        myself: &Myself,
        desk: &mut Desk,
    ) -> bool {
        let key = myself.accountable().map(|(key, _, _)| key);
        if let Some(due) = self.due.front_mut()
            && let Some((_, mut receipt)) = due.signing.take_if(|(asked, _)| *asked == effect)
        {
            let stream = due.over.stream;
            if let (Some(key), Some(signature)) = (key, signature)
                && receipt.add(key, signature.clone()).is_ok()
            {
                let receipt = Box::new(receipt);
                self.as_requester.advance(receipt.hash());
                desk.send(stream, Message::Receipt(receipt.clone()));
                desk.output(Output::Keep(Keep::Receipt(receipt)));
            }
            self.drop_stream(stream, desk);
            return true;
        }
        let made = self
            .made
            .iter_mut()
            .find(|(_, made)| made.signing == Some(effect));
        let Some((stream, made)) = made.map(|(stream, made)| (*stream, made)) else {
            return false;
        };
        made.signing = None;
        if let (Some(key), Some(signature), Some(receipt)) = (key, signature, &mut made.receipt)
            && receipt.add(key, signature.clone()).is_ok()
        {
            desk.send(stream, Message::Receipt(Box::new(receipt.clone())));
        } else {
            made.receipt = None;
            self.drop_stream(stream, desk);
        }
        true
    }

    /// Goes on with the next, and gives up who does not answer. Answers when to look again.
    pub(crate) fn tick(&mut self, myself: &Myself, desk: &mut Desk) -> Option<Now> {
        let now = desk.now;
        let late = self.made.iter().filter(|(_, made)| made.until <= now);
        let late: Vec<StreamId> = late.map(|(stream, _)| *stream).collect();
        for stream in late {
            self.drop_stream(stream, desk);
        }
        while let Some(due) = self.due.front_mut() {
            match &due.said {
                Some((_, until)) if *until > now => break,
                Some(_) => {}
                None => {
                    if let Some(party) = self.as_requester.party(myself) {
                        desk.send(due.over.stream, Message::Settle(Box::new(party.clone())));
                        due.said = Some((party, now.plus_ms(PATIENCE_MS)));
                        break;
                    }
                }
            }
            let stream = due.over.stream;
            self.drop_stream(stream, desk);
        }
        let due = self
            .due
            .front()
            .and_then(|due| due.said.as_ref())
            .map(|(_, until)| *until);
        self.made.values().map(|made| made.until).chain(due).min()
    }

    fn drop_stream(&mut self, stream: StreamId, desk: &mut Desk) {
        self.closed(stream, desk);
        desk.close(stream);
    }
}

impl Made {
    /// Makes the receipt and has it signed. `false` where the other side's word does not hold.
    fn make(&mut self, requester: Party, chain: &mut Chain, myself: &Myself, desk: &mut Desk) -> bool {
        let theirs = self
            .peer
            .to_bytes()
            .is_some_and(|bytes| bytes == requester.peer_id[..]);
        let ended = desk.wall();
        let (Some(worker), Some((key, signer, _))) = (chain.party(myself), myself.accountable()) else {
            return false;
        };
        if !theirs || requester.check(ended).is_err() || requester.key == key {
            return false;
        }
        let Facts {
            job,
            kind,
            swarm,
            model,
            layers,
            tally,
        } = self.facts;
        let receipt = Receipt {
            job,
            kind,
            swarm,
            model,
            layers,
            tokens_in: tally.positions.saturating_sub(tally.sampled),
            tokens_out: tally.sampled,
            compute_ms: tally.compute_ms,
            ended,
            worker,
            requester,
        };
        let Ok(receipt) = CoSigned::unsigned(&receipt) else {
            return false;
        };
        let message = receipt.to_be_signed(&key, Scheme::plain(key.alg()));
        self.signing = Some(desk.effect(Effect::Sign { key: signer, message }));
        self.until = desk.now.plus_ms(PATIENCE_MS);
        chain.advance(receipt.hash());
        self.receipt = Some(receipt);
        true
    }
}

impl Due {
    /// Whether a receipt says what this node was told and has said.
    fn check(&self, receipt: &CoSigned<Receipt>, desk: &Desk) -> Result<(), &'static str> {
        let said = self
            .said
            .as_ref()
            .filter(|_| self.signing.is_none())
            .map(|(party, _)| party);
        let receipt = Receipt::verify_half(receipt).map_err(|_| "the worker's side does not hold")?;
        let (facts, tally) = (&self.over.facts, &self.over.facts.tally);
        let apart = receipt
            .ended
            .since(desk.wall())
            .max(desk.wall().since(receipt.ended));
        let same = receipt.job == facts.job
            && receipt.kind == facts.kind
            && receipt.swarm == facts.swarm
            && receipt.model == facts.model
            && receipt.layers == facts.layers;
        let positions = receipt.tokens_in.checked_add(receipt.tokens_out);
        if said != Some(&receipt.requester) {
            return Err("it names another requester");
        }
        if self
            .over
            .peer
            .to_bytes()
            .is_none_or(|peer| peer != receipt.worker.peer_id[..])
        {
            return Err("it names another worker");
        }
        if !same || apart > MAX_CLOCK_SKEW {
            return Err("it is about another session");
        }
        if positions != Some(tally.positions)
            || receipt.tokens_out > tally.sampled
            || receipt.compute_ms != tally.compute_ms
        {
            return Err("it claims other work than was told step by step");
        }
        Ok(())
    }

    fn sign(&mut self, receipt: CoSigned<Receipt>, myself: &Myself, desk: &mut Desk) {
        if let Some((key, signer, _)) = myself.accountable() {
            let message = receipt.to_be_signed(&key, Scheme::plain(key.alg()));
            let effect = desk.effect(Effect::Sign { key: signer, message });
            self.signing = Some((effect, receipt));
        }
    }
}
