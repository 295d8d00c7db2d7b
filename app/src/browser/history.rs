//! Conversations in IndexedDB, one record each.
//! Does not search or change them; a record that cannot be read is left where it is.

use rexie::{ObjectStore, Rexie, TransactionMode};
use wasm_bindgen::JsValue;

use crate::conversation::Conversation;

const DATABASE: &str = "manyhands-chats";
const STORE: &str = "conversations";

/// Storage that may be refused, full or gone: the caller says so and goes on.
pub type Kept<T> = Result<T, rexie::Error>;

async fn open() -> Kept<Rexie> {
    Rexie::builder(DATABASE)
        .version(1)
        .add_object_store(ObjectStore::new(STORE))
        .build()
        .await
}

/// Every readable conversation; what was running when its page closed is marked so.
pub async fn load() -> Kept<Vec<Conversation>> {
    let database = open().await?;
    let transaction = database.transaction(&[STORE], TransactionMode::ReadOnly)?;
    let records = transaction.store(STORE)?.get_all(None, None).await?;
    Ok(records
        .into_iter()
        .filter_map(|record| serde_json::from_str::<Conversation>(&record.as_string()?).ok())
        .filter(|conversation| conversation.check().is_ok())
        .map(|mut conversation| {
            conversation.settle();
            conversation
        })
        .collect())
}

/// Writes all or none.
pub async fn save(conversations: &[Conversation]) -> Kept<()> {
    let database = open().await?;
    let transaction = database.transaction(&[STORE], TransactionMode::ReadWrite)?;
    let store = transaction.store(STORE)?;
    let records = conversations.iter().filter_map(|conversation| {
        let record = serde_json::to_string(conversation).ok()?;
        Some((
            JsValue::from_str(&record),
            Some(JsValue::from_str(&conversation.id)),
        ))
    });
    // All are handed over before any is waited for: one after the other would take thousands of turns.
    store.put_all(records).await?;
    transaction.done().await.map(|_| ())
}

pub async fn delete(id: &str) -> Kept<()> {
    let database = open().await?;
    let transaction = database.transaction(&[STORE], TransactionMode::ReadWrite)?;
    transaction.store(STORE)?.delete(JsValue::from_str(id)).await?;
    transaction.done().await.map(|_| ())
}

pub async fn delete_all() -> Kept<()> {
    let database = open().await?;
    let transaction = database.transaction(&[STORE], TransactionMode::ReadWrite)?;
    transaction.store(STORE)?.clear().await?;
    transaction.done().await.map(|_| ())
}
