//! A member's copies of its swarms' registries in the DHT: left there under the member's key, found again by it.
//! What is in a registry is for `registry` to judge; nothing here believes what it finds.

use identity::{NodeId, Publication, Timestamp, Validity};
use registry::published::{self, INDEX_NAME, Index, Page, PublishedHead, head_name, page_name};
use registry::{Entry, MAX_ENTRY_LIFE, Registry, SwarmId, entry_bytes, entry_key};

use crate::error::Error;
use crate::keys::KeyPair;
use crate::net::NetLine;

/// Owners whose copies are looked at beside one's own: any one of them that is newer is enough.
const MAX_OTHER_COPIES: usize = 8;

/// Leaves `registry` in the DHT under `key`, and the swarm in the key's index.
pub(crate) async fn publish(net: &mut NetLine, key: &KeyPair, registry: &Registry) -> Result<(), Error> {
    let me = key.node_id();
    let (head, pages) =
        published::publish(registry).map_err(|e| Error::new("bad_request", format!("the registry: {e}")))?;
    for (n, page) in pages.iter().enumerate() {
        let name = page_name(head.swarm, u16::try_from(n).unwrap_or(u16::MAX));
        put(net, key, name, page.encode().map_err(unsound)?).await?;
    }
    // The head comes last: whoever reads it finds the pages that it names.
    put(net, key, head_name(head.swarm), head.encode().map_err(unsound)?).await?;
    let mut index = match get(net, me, INDEX_NAME).await? {
        Some(payload) => Index::decode(&payload).map_err(unsound)?,
        None => Index::default(),
    };
    if !index.swarms.contains(&head.swarm) {
        index.swarms.push(head.swarm);
    }
    put(net, key, INDEX_NAME.to_owned(), index.encode().map_err(unsound)?).await
}

/// The registries of all swarms that `me` belongs to, as new as the DHT has them.
pub(crate) async fn recover(net: &mut NetLine, me: NodeId) -> Result<Vec<Registry>, Error> {
    let Some(index) = get(net, me, INDEX_NAME).await? else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for swarm in Index::decode(&index).map_err(unsound)?.swarms {
        let Some((_, pages)) = copy(net, me, swarm).await? else {
            continue;
        };
        let mut registry = match published::restore(swarm, &pages, now()) {
            Ok(registry) => registry,
            Err(error) => {
                tracing::warn!(%swarm, %error, "a registry in the DHT is not sound");
                continue;
            }
        };
        // Others may have signed since this member last did.
        let others = published::publishers(&registry)
            .into_iter()
            .filter(|id| *id != me);
        for other in others.take(MAX_OTHER_COPIES) {
            if let Some((head, pages)) = copy(net, other, swarm).await?
                && head.head != registry.head().hash
            {
                published::merge(&mut registry, &pages, now());
            }
        }
        found.push(registry);
    }
    Ok(found)
}

/// One member's copy, as far as its pages are there.
async fn copy(
    net: &mut NetLine,
    owner: NodeId,
    swarm: SwarmId,
) -> Result<Option<(PublishedHead, Vec<Page>)>, Error> {
    let Some(head) = get(net, owner, &head_name(swarm)).await? else {
        return Ok(None);
    };
    let head = PublishedHead::decode(&head).map_err(unsound)?;
    let mut pages = Vec::new();
    for n in 0..head.pages {
        if let Some(page) = get(net, owner, &page_name(swarm, n)).await? {
            pages.push(Page::decode(&page).map_err(unsound)?);
        }
    }
    Ok(Some((head, pages)))
}

async fn get(net: &mut NetLine, owner: NodeId, name: &str) -> Result<Option<Vec<u8>>, Error> {
    let found = net.get(entry_key(owner, name)).await.map_err(gone)?;
    Ok(found.map(|found| found.vetted.entry().payload.clone()))
}

/// Signs the next version of an entry and puts it into the DHT.
async fn put(net: &mut NetLine, key: &KeyPair, name: String, payload: Vec<u8>) -> Result<(), Error> {
    let at = entry_key(key.node_id(), &name);
    let before = net.get(at.clone()).await.map_err(gone)?;
    let sequence = before.map_or(0, |found| found.vetted.entry().sequence.saturating_add(1));
    let entry = Entry {
        name,
        sequence,
        validity: Validity::starting(now(), MAX_ENTRY_LIFE),
        payload,
    };
    let state = key.sign(&entry).await?;
    let publication = Publication {
        state,
        publisher: None,
    };
    let bytes = entry_bytes(&publication).map_err(unsound)?;
    net.put(at, bytes)
        .await
        .map_err(|why| Error::relay(format!("the relays did not take an entry: {why}")))
}

fn unsound(error: registry::EntryRefusal) -> Error {
    Error::new("bad_request", format!("an entry of the DHT: {error}"))
}

fn gone(why: String) -> Error {
    Error::new("aborted", why)
}

fn now() -> Timestamp {
    Timestamp::from_ms(js_sys::Date::now() as u64)
}
