//! A drawer of values by name: in IndexedDB, or in memory where the page was asked to keep nothing.
//! It does not know what the values mean.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use js_sys::{Array, Function, Promise, Reflect};
use rexie::{ObjectStore, Rexie, Store, Transaction, TransactionMode};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::config::Storage;
use crate::error::Error;

/// Where a drawer stands: a database with one store, so that a new drawer never changes an old one.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) database: &'static str,
    pub(crate) store: &'static str,
}

/// Clones share it.
#[derive(Clone)]
pub(crate) struct Drawer {
    place: Place,
    memory: Option<Rc<RefCell<BTreeMap<String, JsValue>>>>,
}

impl Drawer {
    pub(crate) fn new(place: Place, storage: Storage) -> Drawer {
        let memory = (storage == Storage::Memory).then(Rc::default);
        Drawer { place, memory }
    }

    /// Whether anything was ever put here, as far as the browser tells: to look must leave nothing behind.
    pub(crate) async fn is_made(&self) -> bool {
        if let Some(memory) = &self.memory {
            return !memory.borrow().is_empty();
        }
        match databases().await {
            Some(names) => names.iter().any(|name| name == self.place.database),
            None => true,
        }
    }

    pub(crate) async fn get(&self, name: &str) -> Result<Option<JsValue>, Error> {
        if let Some(memory) = &self.memory {
            return Ok(memory.borrow().get(name).cloned());
        }
        let (_transaction, store) = self.open(TransactionMode::ReadOnly).await?;
        let value = store.get(name.into()).await.map_err(refused)?;
        Ok(value.filter(|value| !value.is_undefined() && !value.is_null()))
    }

    /// Every value, in the order of their names.
    pub(crate) async fn all(&self) -> Result<Vec<JsValue>, Error> {
        if let Some(memory) = &self.memory {
            return Ok(memory.borrow().values().cloned().collect());
        }
        let (_transaction, store) = self.open(TransactionMode::ReadOnly).await?;
        store.get_all(None, None).await.map_err(refused)
    }

    pub(crate) async fn put(&self, name: &str, value: &JsValue) -> Result<(), Error> {
        if let Some(memory) = &self.memory {
            memory.borrow_mut().insert(name.to_owned(), value.clone());
            return Ok(());
        }
        let (transaction, store) = self.open(TransactionMode::ReadWrite).await?;
        store.put(value, Some(&name.into())).await.map_err(refused)?;
        transaction.done().await.map_err(refused)?;
        Ok(())
    }

    /// Puts `value` there unless another tab was first; says whether it is there.
    pub(crate) async fn add(&self, name: &str, value: &JsValue) -> Result<bool, Error> {
        if self.get(name).await?.is_some() {
            return Ok(false);
        }
        if self.memory.is_some() {
            self.put(name, value).await?;
            return Ok(true);
        }
        let (transaction, store) = self.open(TransactionMode::ReadWrite).await?;
        if let Err(error) = store.add(value, Some(&name.into())).await {
            return match self.get(name).await? {
                Some(_) => Ok(false),
                None => Err(refused(error)),
            };
        }
        transaction.done().await.map_err(refused)?;
        Ok(true)
    }

    pub(crate) async fn remove(&self, name: &str) -> Result<(), Error> {
        if let Some(memory) = &self.memory {
            memory.borrow_mut().remove(name);
            return Ok(());
        }
        let (transaction, store) = self.open(TransactionMode::ReadWrite).await?;
        store.delete(name.into()).await.map_err(refused)?;
        transaction.done().await.map_err(refused)?;
        Ok(())
    }

    async fn open(&self, mode: TransactionMode) -> Result<(Transaction, Store), Error> {
        let database = Rexie::builder(self.place.database)
            .version(1)
            .add_object_store(ObjectStore::new(self.place.store))
            .build()
            .await
            .map_err(refused)?;
        let transaction = database.transaction(&[self.place.store], mode).map_err(refused)?;
        let store = transaction.store(self.place.store).map_err(refused)?;
        Ok((transaction, store))
    }
}

/// The names of this origin's databases; nothing where the browser does not list them.
async fn databases() -> Option<Vec<String>> {
    let factory = Reflect::get(&js_sys::global(), &"indexedDB".into()).ok()?;
    let list: Function = Reflect::get(&factory, &"databases".into())
        .ok()?
        .dyn_into()
        .ok()?;
    let promise: Promise = list.call0(&factory).ok()?.dyn_into().ok()?;
    let found = JsFuture::from(promise).await.ok()?;
    let name = |each: JsValue| Reflect::get(&each, &"name".into()).ok()?.as_string();
    Some(Array::from(&found).iter().filter_map(name).collect())
}

fn refused(error: rexie::Error) -> Error {
    let message = format!("the browser's storage refused: {error}");
    Error::because("storage_full", "storage_refused", message)
}
