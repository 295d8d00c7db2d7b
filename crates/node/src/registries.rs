//! The registries of the swarms that this node follows: takes in what is new, passes it on, asks for what is missing.
//! It signs no record and decides about none: `registry` does.
//!
//! What is new goes to a few others at once, and from them on, so that a halt is everywhere in a few trips. What was
//! missed is asked for: of whoever shows a head that is not known here, and of somebody every minute.

use std::collections::{BTreeMap, VecDeque};

use identity::{CoSigned, NodeId, RecordHash};
use protocol::{
    Addresses, Blob, List, MAX_PAGE, MAX_PAGE_BYTES, Message, PeerId, RegistryAsk, RegistryHead,
    RegistryPage, SwarmId,
};
use registry::{Memberships, Outcome, Record, Refusal, Registry, Standing, Statement};

use crate::desk::{Desk, Owner};
use crate::io::{Keep, Now, Output, StreamId};
use crate::peers::Peers;

/// Peers that hear of what is new at once; each tells as many.
const FANOUT: usize = 6;
/// Of these, so many that spoke of registries lately.
const CIRCLE: usize = 2;
const MAX_CIRCLE: usize = 16;
/// Streams about registries at a time, in each direction.
const MAX_TALKS: usize = 16;
/// Pages that one stream may ask for: all records of a full registry, and all statements.
const MAX_PAGES: u32 = 1_024;
/// Pages that this node makes for others in a second: each costs it some milliseconds.
const PAGES_PER_SECOND: u32 = 16;
/// Nobody answers: the stream is let go.
const TALK_MS: u64 = 20_000;
/// Somebody is asked for news this often.
const ASK_MS: u64 = 60_000;
/// And where nobody is known yet, after this.
const LONELY_MS: u64 = 2_000;

/// See the file's head.
pub(crate) struct Registries {
    followed: Memberships,
    talks: BTreeMap<StreamId, Talk>,
    /// Pages made in the current second.
    made: (Now, u32),
    ask_at: Now,
    /// Whose turn it is to be asked.
    turn: usize,
    /// Who spoke of registries lately, the last one last: whoever told may want to be told.
    circle: VecDeque<PeerId>,
    /// Something changed that others of this node's parts should look at.
    changed: bool,
}

/// What is said about registries on one stream.
struct Talk {
    /// Which swarm this node asked about; `None`: the other side talks.
    asked: Option<SwarmId>,
    pages: u32,
    since: Now,
}

impl Registries {
    pub(crate) fn new(me: NodeId) -> Registries {
        Registries {
            followed: Memberships::new(me),
            talks: BTreeMap::new(),
            made: (Now::default(), 0),
            ask_at: Now::default(),
            turn: 0,
            circle: VecDeque::new(),
            changed: false,
        }
    }

    pub(crate) fn become_somebody(&mut self, me: NodeId) {
        self.followed.become_somebody(me);
        self.changed = true;
    }

    pub(crate) fn get(&self, swarm: &SwarmId) -> Option<&Registry> {
        self.followed.get(id(swarm))
    }

    /// What somebody may do in a swarm; a stranger's standing where its registry is not known here.
    pub(crate) fn standing(&self, swarm: &SwarmId, who: NodeId, desk: &Desk) -> Standing {
        match self.get(swarm) {
            Some(registry) => registry.standing(who, desk.wall()),
            None => Standing {
                role: None,
                caveats: registry::Caveats::NONE,
                blocked: false,
                halted: false,
            },
        }
    }

    /// Whether somebody belongs to a swarm whose registry this node's owner owns.
    pub(crate) fn is_mine(&self, who: NodeId, desk: &Desk) -> bool {
        let now = desk.wall();
        self.followed
            .mine(now)
            .filter_map(|swarm| self.followed.get(swarm))
            .any(|registry| registry.standing(who, now).role.is_some())
    }

    /// Every swarm, with what this node's owner may do there.
    pub(crate) fn all(&self, desk: &Desk) -> Vec<(&Registry, Standing)> {
        let all = self.followed.all(desk.wall());
        all.filter_map(|(swarm, standing)| Some((self.followed.get(swarm)?, standing)))
            .collect()
    }

    /// The newest record known, for offers to name.
    pub(crate) fn head(&self, swarm: &SwarmId) -> Option<RegistryHead> {
        let head = self.get(swarm)?.head();
        Some(RegistryHead {
            sequence: head.sequence,
            hash: head.hash,
        })
    }

    /// Every swarm that is followed, with the newest record known of it.
    pub(crate) fn heads(&self) -> BTreeMap<SwarmId, Option<RegistryHead>> {
        let swarms = self.followed.ids().map(|swarm| SwarmId(*swarm.as_bytes()));
        swarms.map(|swarm| (swarm, self.head(&swarm))).collect()
    }

    /// Whether a head that somebody names lacks what is known here.
    pub(crate) fn is_behind(&self, swarm: &SwarmId, head: RegistryHead) -> bool {
        let offered = registry::Head {
            sequence: head.sequence,
            hash: head.hash,
        };
        let compared = self.get(swarm).map(|registry| registry.check_head(offered));
        matches!(
            compared,
            Some(Err(Refusal::RolledBack { .. } | Refusal::Forked { .. }))
        )
    }

    /// Whether anything changed since the last time.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Follows one more swarm, or takes in what is new in a registry that is followed already.
    pub(crate) fn follow(&mut self, registry: Registry, others: &Peers, desk: &mut Desk) {
        self.changed = true;
        self.ask_at = desk.now;
        let swarm = registry.id();
        if self.followed.get(swarm).is_none() {
            if let Err(refusal) = self.followed.follow(registry) {
                tracing::warn!(%swarm, %refusal, "a swarm is not followed");
            }
            return;
        }
        // What is known already is refused; what is new is news for others too.
        let (mut records, mut statements) = (Vec::new(), Vec::new());
        for record in registry.records() {
            if self.record(record.clone(), swarm, desk).is_ok() {
                records.push(record.to_bytes());
            }
        }
        for statement in registry.statements() {
            if self.statement(statement.clone(), swarm, desk).is_ok() {
                statements.push(statement.to_bytes());
            }
        }
        if !records.is_empty() || !statements.is_empty() {
            let swarm = SwarmId(*swarm.as_bytes());
            self.spread(&swarm, records, statements, None, others, desk);
        }
    }

    pub(crate) fn unfollow(&mut self, swarm: &SwarmId) {
        self.changed |= self.followed.leave(id(swarm)).is_some();
    }

    /// A record made here.
    pub(crate) fn publish_record(
        &mut self,
        swarm: &SwarmId,
        record: CoSigned<Record>,
        others: &Peers,
        desk: &mut Desk,
    ) {
        let bytes = record.to_bytes();
        match self.record(record, id(swarm), desk) {
            Ok(()) => self.spread(swarm, vec![bytes], Vec::new(), None, others, desk),
            Err(refusal) => tracing::warn!(%refusal, "a record made here is refused"),
        }
    }

    /// A Worker's word made here.
    pub(crate) fn publish_statement(
        &mut self,
        swarm: &SwarmId,
        statement: CoSigned<Statement>,
        others: &Peers,
        desk: &mut Desk,
    ) {
        let bytes = statement.to_bytes();
        match self.statement(statement, id(swarm), desk) {
            Ok(()) => self.spread(swarm, Vec::new(), vec![bytes], None, others, desk),
            Err(refusal) => tracing::warn!(%refusal, "a statement made here is refused"),
        }
    }

    /// A worker's offer names the newest record that it knows.
    pub(crate) fn heard_head(
        &mut self,
        swarm: &SwarmId,
        head: RegistryHead,
        peer: &PeerId,
        addresses: &Addresses,
        desk: &mut Desk,
    ) {
        let Some(registry) = self.get(swarm) else { return };
        let offered = registry::Head {
            sequence: head.sequence,
            hash: head.hash,
        };
        if registry.check_head(offered) == Ok(false) {
            self.ask(swarm, peer, addresses, desk);
        }
    }

    /// A message about registries. `false` where the stream is of no more use.
    pub(crate) fn received(&mut self, stream: StreamId, message: Message, others: &Peers, desk: &mut Desk) {
        let fits = self.talks.len() < 2 * MAX_TALKS;
        let since = desk.now;
        if !self.talks.contains_key(&stream) && fits {
            let (asked, pages) = (None, 0);
            self.talks.insert(stream, Talk { asked, pages, since });
            desk.give(stream, Owner::Registry);
        }
        let Some(talk) = self.talks.get_mut(&stream) else {
            return desk.close(stream);
        };
        talk.pages += 1;
        talk.since = since;
        if let Some((peer, _)) = desk.line(stream) {
            self.circle.retain(|known| known != peer);
            self.circle.push_back(peer.clone());
            if self.circle.len() > MAX_CIRCLE {
                self.circle.pop_front();
            }
        }
        let goes_on = talk.pages <= MAX_PAGES
            && match message {
                Message::RegistryAsk(ask) if talk.asked.is_none() => self.answer(stream, &ask, desk),
                Message::RegistryPage(page) => self.read(stream, page, others, desk),
                _ => false,
            };
        if !goes_on {
            self.talks.remove(&stream);
            desk.close(stream);
        }
    }

    /// A stream ended.
    pub(crate) fn closed(&mut self, stream: StreamId) {
        self.talks.remove(&stream);
    }

    /// Asks somebody for news now and then, and lets go of who says nothing. Answers when to look again.
    pub(crate) fn tick(&mut self, others: &Peers, desk: &mut Desk) -> Option<Now> {
        let now = desk.now;
        let silent = |talk: &Talk| now.since(talk.since) >= TALK_MS;
        let gone: Vec<StreamId> = self
            .talks
            .iter()
            .filter(|(_, talk)| silent(talk))
            .map(|(stream, _)| *stream)
            .collect();
        for stream in gone {
            self.talks.remove(&stream);
            desk.close(stream);
        }
        let swarms: Vec<SwarmId> = self
            .followed
            .ids()
            .map(|swarm| SwarmId(*swarm.as_bytes()))
            .collect();
        if swarms.is_empty() {
            return None;
        }
        if now >= self.ask_at {
            let mut wait = ASK_MS;
            self.turn += 1;
            for swarm in &swarms {
                let others = others.present(swarm, now);
                match others.get(self.turn % others.len().max(1)) {
                    Some((peer, addresses)) => self.ask(swarm, peer, addresses, desk),
                    None => wait = LONELY_MS,
                }
            }
            self.ask_at = now.plus_ms(wait);
        }
        let ends = self.talks.values().map(|talk| talk.since.plus_ms(TALK_MS));
        ends.chain([self.ask_at]).min()
    }

    fn ask(&mut self, swarm: &SwarmId, peer: &PeerId, addresses: &Addresses, desk: &mut Desk) {
        let asked = |talk: &Talk| talk.asked == Some(*swarm);
        if self.talks.values().any(asked) || self.talks.len() >= MAX_TALKS {
            return;
        }
        let stream = desk.open(peer, addresses, Owner::Registry);
        let (pages, since) = (0, desk.now);
        self.talks.insert(
            stream,
            Talk {
                asked: Some(*swarm),
                pages,
                since,
            },
        );
        desk.send(
            stream,
            Message::RegistryAsk(RegistryAsk {
                swarm: *swarm,
                head: self.head(swarm),
                from: None,
            }),
        );
    }

    /// Makes a page. `false` where this node has made too many lately.
    fn answer(&mut self, stream: StreamId, ask: &RegistryAsk, desk: &mut Desk) -> bool {
        if desk.now.since(self.made.0) >= 1_000 {
            self.made = (desk.now, 0);
        }
        self.made.1 += 1;
        if self.made.1 > PAGES_PER_SECOND {
            return false;
        }
        let Some(registry) = self.get(&ask.swarm) else {
            return false;
        };
        desk.send(stream, Message::RegistryPage(page(registry, ask)));
        true
    }

    /// Takes a page in. `false` when all is said, or nonsense.
    fn read(&mut self, stream: StreamId, page: RegistryPage, others: &Peers, desk: &mut Desk) -> bool {
        let swarm = page.swarm;
        let asked = self.talks.get(&stream).is_some_and(|talk| talk.asked.is_some());
        if self.get(&swarm).is_none() {
            return false;
        }
        let (mut records, mut statements, mut missing) = (Vec::new(), Vec::new(), false);
        for bytes in page.records.iter() {
            let taken = CoSigned::<Record>::from_bytes(bytes)
                .map_err(Refusal::from)
                .and_then(|record| self.record(record, id(&swarm), desk));
            match taken {
                Ok(()) => records.push(bytes.to_vec()),
                Err(Refusal::Gap { .. }) => missing = true,
                Err(Refusal::Replayed) => {}
                Err(refusal) => tracing::debug!(%refusal, "a record is refused"),
            }
        }
        for bytes in page.statements.iter() {
            let taken = CoSigned::<Statement>::from_bytes(bytes)
                .map_err(Refusal::from)
                .and_then(|statement| self.statement(statement, id(&swarm), desk));
            match taken {
                Ok(()) => statements.push(bytes.to_vec()),
                Err(Refusal::Gap { .. }) => missing = true,
                Err(Refusal::Replayed) => {}
                Err(refusal) => tracing::debug!(%refusal, "a statement is refused"),
            }
        }
        let from = desk.line(stream).map(|(peer, _)| peer.clone());
        if !asked {
            if !records.is_empty() || !statements.is_empty() {
                self.spread(&swarm, records, statements, from.as_ref(), others, desk);
            }
            // Told of something whose beginnings are not known here: whoever told it knows them.
            if let (true, Some(peer)) = (missing, from) {
                self.ask(&swarm, &peer, &Addresses::default(), desk);
            }
            return true;
        }
        let (head, from) = match (page.next, missing) {
            (_, true) if self.talks.get(&stream).is_some_and(|talk| talk.pages == 1) => (None, None),
            (Some(next), _) => (self.head(&swarm), Some(next)),
            (None, _) => return false,
        };
        desk.send(stream, Message::RegistryAsk(RegistryAsk { swarm, head, from }));
        true
    }

    fn record(
        &mut self,
        record: CoSigned<Record>,
        swarm: registry::SwarmId,
        desk: &mut Desk,
    ) -> Result<(), Refusal> {
        let now = desk.wall();
        let registry = self.followed.get_mut(swarm).ok_or(Refusal::WrongSwarm)?;
        let outcome = registry.apply(record.clone(), now)?;
        if let Outcome::Switched { dropped } = &outcome {
            tracing::info!(
                dropped = dropped.len(),
                "another branch of the registry counts now"
            );
        }
        self.changed = true;
        let (swarm, record) = (SwarmId(*swarm.as_bytes()), Box::new(record));
        desk.output(Output::Keep(Keep::Record { swarm, record }));
        Ok(())
    }

    fn statement(
        &mut self,
        statement: CoSigned<Statement>,
        swarm: registry::SwarmId,
        desk: &mut Desk,
    ) -> Result<(), Refusal> {
        let registry = self.followed.get_mut(swarm).ok_or(Refusal::WrongSwarm)?;
        registry.hear(statement.clone())?;
        self.changed = true;
        let (swarm, statement) = (SwarmId(*swarm.as_bytes()), Box::new(statement));
        desk.output(Output::Keep(Keep::Statement { swarm, statement }));
        Ok(())
    }

    /// Tells a few others, connected ones first, but not who told it.
    fn spread(
        &mut self,
        swarm: &SwarmId,
        records: Vec<Vec<u8>>,
        statements: Vec<Vec<u8>>,
        but: Option<&PeerId>,
        others: &Peers,
        desk: &mut Desk,
    ) {
        let blobs =
            |items: Vec<Vec<u8>>| List::first(items.into_iter().filter_map(|item| Blob::new(item).ok()));
        let page = Message::RegistryPage(RegistryPage {
            swarm: *swarm,
            records: blobs(records),
            statements: blobs(statements),
            next: None,
        });
        let near = self.circle.iter().rev().filter(|peer| desk.is_connected(peer));
        let near = near.map(|peer| (peer.clone(), Addresses::default()));
        let mut to: Vec<(PeerId, Addresses)> =
            near.filter(|(peer, _)| Some(peer) != but).take(CIRCLE).collect();
        for other in some_of(others.present(swarm, desk.now), &desk.me) {
            let told = Some(&other.0) == but || to.iter().any(|(peer, _)| *peer == other.0);
            if !told && to.len() < FANOUT {
                to.push(other);
            }
        }
        for (peer, addresses) in to {
            // Not closed at once: a way to the other may have to be found first.
            let stream = desk.open(&peer, &addresses, Owner::Registry);
            let (asked, pages, since) = (None, 0, desk.now);
            self.talks.insert(stream, Talk { asked, pages, since });
            desk.send(stream, page.clone());
        }
    }
}

/// Peers in an order of this node's own, so that not everybody tells the same ones: first the next one after itself,
/// which alone would reach everybody in the end, then here and there.
fn some_of(mut others: Vec<(PeerId, Addresses)>, me: &PeerId) -> Vec<(PeerId, Addresses)> {
    let next = others.partition_point(|(peer, _)| peer <= me) % others.len().max(1);
    others.rotate_left(next);
    let mut seed = me.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    // A shuffle whose dice are this node's name.
    for at in (2..others.len()).rev() {
        seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        others.swap(at, 1 + (seed >> 33) as usize % at);
    }
    others
}

/// What follows the records that somebody knows: as much as fits a page.
fn page(registry: &Registry, ask: &RegistryAsk) -> RegistryPage {
    let known = ask.head.and_then(|head| position(registry, head));
    // The cursor counts records first, then statements.
    let from = ask.from.unwrap_or(known.map_or(0, |at| at + 1)) as usize;
    let records = registry.len();
    let (mut taken, mut bytes) = (0, 0);
    let mut fits = |item: &[u8]| {
        let first = taken == 0;
        taken += 1;
        bytes += item.len();
        first || (taken <= MAX_PAGE && bytes <= MAX_PAGE_BYTES)
    };
    let blobs = |items: Vec<Vec<u8>>| List::first(items.into_iter().filter_map(|item| Blob::new(item).ok()));
    let new: Vec<Vec<u8>> = registry
        .records()
        .skip(from)
        .map(CoSigned::to_bytes)
        .take_while(|item| fits(item))
        .collect();
    let mut next = from + new.len();
    let words: Vec<Vec<u8>> = if next >= records {
        let words = registry.statements().skip(next - records);
        words
            .map(CoSigned::to_bytes)
            .take_while(|item| fits(item))
            .collect()
    } else {
        Vec::new()
    };
    next += words.len();
    let more = next < records + registry.statements().count();
    RegistryPage {
        swarm: ask.swarm,
        records: blobs(new),
        statements: blobs(words),
        next: more.then_some(u32::try_from(next).unwrap_or(u32::MAX)),
    }
}

/// Where a record is among those of the branch that counts. Of others nothing follows about what is known.
fn position(registry: &Registry, head: RegistryHead) -> Option<u32> {
    if head.sequence > registry.head().sequence {
        return None;
    }
    let at = usize::try_from(head.sequence).ok()?;
    let known = registry
        .records()
        .nth(at)
        .is_some_and(|record| record.hash() == head.hash);
    u32::try_from(at).ok().filter(|_| known)
}

fn id(swarm: &SwarmId) -> registry::SwarmId {
    registry::SwarmId::of_genesis(RecordHash::from_bytes(swarm.0))
}
