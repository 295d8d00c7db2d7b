//! A registry as entries, so that a member who has nothing but a key finds it again.
//! It signs nothing and asks nobody: it says which entries to sign, and puts together those that were found.
//!
//! Under a member's key lie an index (`swarms`: which swarms I belong to), for each of them a head
//! (`registry/<swarm>`: how far the chain goes, in how many pages), and the pages (`registry/<swarm>/<n>`: the
//! records and statements, as they are signed). Each record proves itself: a page that is missing or old costs
//! completeness, never truth.

use identity::{CoSigned, NodeId, RecordHash, Timestamp};
use minicbor::{Decode, Encode};

use crate::{
    EntryRefusal, MAX_ENTRY_PAYLOAD_BYTES, MAX_SWARMS, Record, Refusal, Registry, Statement, SwarmId,
};

/// Most pages of one registry: half a megabyte, some 2,000 records. What goes beyond is fetched from members.
pub const MAX_PAGES: u16 = 64;
/// What a page adds to its records: the heads of its two lists.
const PAGE_HEAD_BYTES: usize = 16;
/// What a record or statement adds to its bytes in a page.
const ITEM_HEAD_BYTES: usize = 5;

/// The name of the entry with the swarms of a member.
pub const INDEX_NAME: &str = "swarms";

/// Which swarms a member belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Index {
    #[n(0)]
    pub swarms: Vec<SwarmId>,
}

/// How far a member's copy of a registry goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PublishedHead {
    #[n(0)]
    pub swarm: SwarmId,
    /// Of the newest record that counts.
    #[n(1)]
    pub sequence: u64,
    #[n(2)]
    pub head: RecordHash,
    /// At most [`MAX_PAGES`].
    #[n(3)]
    pub pages: u16,
}

/// Some records and statements, in an order in which they can be applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Page {
    #[n(0)]
    pub records: Vec<CoSigned<Record>>,
    #[n(1)]
    pub statements: Vec<CoSigned<Statement>>,
}

/// The name of the entry with a registry's head.
pub fn head_name(swarm: SwarmId) -> String {
    format!("registry/{swarm}")
}

/// The name of the entry with a page of it.
pub fn page_name(swarm: SwarmId, page: u16) -> String {
    format!("registry/{swarm}/{page}")
}

impl Index {
    /// Reads an index; swarms beyond what a node follows are left out.
    pub fn decode(payload: &[u8]) -> Result<Index, EntryRefusal> {
        let mut index: Index = decode(payload)?;
        index.swarms.truncate(MAX_SWARMS);
        Ok(index)
    }

    /// Its payload.
    pub fn encode(&self) -> Result<Vec<u8>, EntryRefusal> {
        encode(self)
    }
}

impl PublishedHead {
    /// Reads a head.
    pub fn decode(payload: &[u8]) -> Result<PublishedHead, EntryRefusal> {
        let head: PublishedHead = decode(payload)?;
        if head.pages == 0 || head.pages > MAX_PAGES {
            return Err(EntryRefusal::Malformed(format!(
                "a registry of {} pages",
                head.pages
            )));
        }
        Ok(head)
    }

    /// Its payload.
    pub fn encode(&self) -> Result<Vec<u8>, EntryRefusal> {
        encode(self)
    }
}

impl Page {
    /// Reads a page.
    pub fn decode(payload: &[u8]) -> Result<Page, EntryRefusal> {
        decode(payload)
    }

    /// Its payload.
    pub fn encode(&self) -> Result<Vec<u8>, EntryRefusal> {
        encode(self)
    }
}

/// A registry as pages, and the head that names them.
pub fn publish(registry: &Registry) -> Result<(PublishedHead, Vec<Page>), Refusal> {
    let mut pages = vec![Page::default()];
    let mut room = MAX_ENTRY_PAYLOAD_BYTES - PAGE_HEAD_BYTES;
    for record in registry.records() {
        place(&mut pages, &mut room, record.to_bytes().len())?
            .records
            .push(record.clone());
    }
    for statement in registry.statements() {
        let page = place(&mut pages, &mut room, statement.to_bytes().len())?;
        page.statements.push(statement.clone());
    }
    let head = registry.head();
    let head = PublishedHead {
        swarm: registry.id(),
        sequence: head.sequence,
        head: head.hash,
        pages: u16::try_from(pages.len()).unwrap_or(MAX_PAGES),
    };
    Ok((head, pages))
}

/// Puts a registry together from pages that were found, in their order. What does not fit is left out: it is
/// somebody's old or foreign record, and what it says is for the registry's rules to judge.
pub fn restore(swarm: SwarmId, pages: &[Page], now: Timestamp) -> Result<Registry, Refusal> {
    let first = pages.iter().flat_map(|page| &page.records).next();
    let mut registry = Registry::found(first.ok_or(Refusal::NotAGenesis)?.clone())?;
    if registry.id() != swarm {
        return Err(Refusal::WrongSwarm);
    }
    merge(&mut registry, pages, now);
    Ok(registry)
}

/// Takes further pages in; answers how many records were new.
pub fn merge(registry: &mut Registry, pages: &[Page], now: Timestamp) -> usize {
    let records = pages.iter().flat_map(|page| &page.records);
    let new = records
        .filter(|record| registry.apply((*record).clone(), now).is_ok())
        .count();
    for statement in pages.iter().flat_map(|page| &page.statements) {
        // Refused: said before, or about a record that was not found.
        let _ = registry.hear(statement.clone());
    }
    new
}

/// Whose copies of this registry are worth looking for beside one's own: those whose word weighs most.
pub fn publishers(registry: &Registry) -> Vec<NodeId> {
    registry.state().owners().collect()
}

fn place<'a>(pages: &'a mut Vec<Page>, room: &mut usize, bytes: usize) -> Result<&'a mut Page, Refusal> {
    let needed = bytes + ITEM_HEAD_BYTES;
    let most = MAX_ENTRY_PAYLOAD_BYTES - PAGE_HEAD_BYTES;
    if needed > most {
        return Err(Refusal::TooLong {
            what: "record for a page",
            bytes: needed,
            max: most,
        });
    }
    if needed > *room {
        if pages.len() >= usize::from(MAX_PAGES) {
            return Err(Refusal::Full {
                what: "pages",
                max: usize::from(MAX_PAGES),
            });
        }
        pages.push(Page::default());
        *room = most;
    }
    *room -= needed;
    pages.last_mut().ok_or(Refusal::NotAGenesis)
}

fn encode<T: Encode<()>>(value: &T) -> Result<Vec<u8>, EntryRefusal> {
    minicbor::to_vec(value).map_err(|e| EntryRefusal::Malformed(e.to_string()))
}

fn decode<T: for<'b> Decode<'b, ()>>(payload: &[u8]) -> Result<T, EntryRefusal> {
    minicbor::decode(payload).map_err(|e| EntryRefusal::Malformed(e.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        Action, Role,
        testing::{Stage, at, grant, id},
    };

    #[test]
    fn a_registry_is_found_again_in_its_pages_and_the_pages_fit_into_entries() {
        let mut stage = Stage::new();
        for n in 2..80 {
            stage.ok(1, grant(n, Role::Worker));
        }
        let (head, pages) = publish(&stage.registry).unwrap();
        assert!(pages.len() > 1 && usize::from(head.pages) == pages.len());
        for page in &pages {
            assert!(page.encode().unwrap().len() <= MAX_ENTRY_PAYLOAD_BYTES);
        }
        let read: Vec<Page> = pages
            .iter()
            .map(|p| Page::decode(&p.encode().unwrap()).unwrap())
            .collect();
        let found = restore(head.swarm, &read, at(1_000)).unwrap();
        assert_eq!(found.head(), stage.registry.head());
        assert_eq!(PublishedHead::decode(&head.encode().unwrap()).unwrap(), head);
        assert_eq!(publishers(&found), [id(1)]);

        // An older copy with a page that is missing is still sound, and a newer one completes it.
        let mut part = restore(head.swarm, &read[..1], at(1_000)).unwrap();
        assert!(part.head().sequence < head.sequence);
        assert!(merge(&mut part, &read, at(1_000)) > 0);
        assert_eq!(part.head(), stage.registry.head());
    }

    #[test]
    fn pages_of_another_swarm_and_heads_that_promise_too_much_are_refused() {
        let stage = Stage::new();
        let (head, pages) = publish(&stage.registry).unwrap();
        let other = SwarmId::of_genesis(RecordHash::from_bytes([9; 32]));
        assert_eq!(restore(other, &pages, at(1)).unwrap_err(), Refusal::WrongSwarm);
        assert_eq!(restore(head.swarm, &[], at(1)).unwrap_err(), Refusal::NotAGenesis);
        for pages in [0, MAX_PAGES + 1] {
            let bytes = PublishedHead { pages, ..head }.encode().unwrap();
            assert!(PublishedHead::decode(&bytes).is_err());
        }
    }

    #[test]
    fn more_records_than_pages_hold_are_refused_by_name() {
        let mut stage = Stage::new();
        let error = loop {
            for _ in 0..500 {
                stage.ok(1, Action::Seal);
            }
            if let Err(error) = publish(&stage.registry) {
                break error;
            }
        };
        assert_eq!(
            error,
            Refusal::Full {
                what: "pages",
                max: usize::from(MAX_PAGES)
            }
        );
    }

    #[test]
    fn an_index_that_names_more_swarms_than_anybody_follows_is_cut() {
        let swarms: Vec<SwarmId> = (0..=MAX_SWARMS as u8)
            .map(|n| SwarmId::of_genesis(RecordHash::from_bytes([n; 32])))
            .collect();
        let bytes = Index {
            swarms: swarms.clone(),
        }
        .encode()
        .unwrap();
        assert_eq!(Index::decode(&bytes).unwrap().swarms, swarms[..MAX_SWARMS]);
    }
}
