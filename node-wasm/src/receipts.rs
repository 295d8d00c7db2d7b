//! Receipts of work, as they lie in this browser's storage: the newest, in the order in which they were signed.
//! It adds nothing up and shows nothing.

use identity::CoSigned;
use js_sys::Uint8Array;
use protocol::Receipt;
use rexie::{ObjectStore, Rexie, TransactionMode};

use crate::error::Error;

const DATABASE: &str = "manyhands-receipts";
const STORE: &str = "receipts";
/// Receipts kept: some 10 MB. The oldest go first; whoever needs them for longer takes them out before.
const MAX_KEPT: u32 = 8_192;

/// Keeps a receipt.
pub(crate) async fn keep(receipt: &CoSigned<Receipt>) -> Result<(), Error> {
    let database = Rexie::builder(DATABASE)
        .version(1)
        .add_object_store(ObjectStore::new(STORE).auto_increment(true))
        .build()
        .await
        .map_err(storage)?;
    let transaction = database
        .transaction(&[STORE], TransactionMode::ReadWrite)
        .map_err(storage)?;
    let store = transaction.store(STORE).map_err(storage)?;
    let bytes = Uint8Array::from(receipt.to_bytes().as_slice());
    store.add(&bytes, None).await.map_err(storage)?;
    let over = store.count(None).await.map_err(storage)?.saturating_sub(MAX_KEPT);
    if over > 0 {
        for key in store.get_all_keys(None, Some(over)).await.map_err(storage)? {
            store.delete(key).await.map_err(storage)?;
        }
    }
    transaction.done().await.map_err(storage)?;
    Ok(())
}

fn storage(error: rexie::Error) -> Error {
    Error::new("storage_full", format!("the browser's storage refused: {error}"))
}
