//! The origin's private files: folders of small files, written through access handles that only workers have.
//! Checks nothing of what is in them.

use futures::channel::oneshot;
use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    File, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions,
    FileSystemGetFileOptions, FileSystemSyncAccessHandle, StorageManager,
};

use super::StoreError;
use super::writer_lock::WriterLock;

const ROOT: &str = "manyhands-models";

/// Our folder among the origin's files.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    top: FileSystemDirectoryHandle,
}

impl Folder {
    /// Finds it, or makes it.
    pub(super) async fn open() -> Result<Folder, StoreError> {
        let manager = manager()?;
        // Absent where the page is not secure: calling it would throw past us.
        if !js_sys::Reflect::get(&manager, &"getDirectory".into()).is_ok_and(|f| f.is_function()) {
            return Err(StoreError::Refused(
                "it has no private files for pages".to_owned(),
            ));
        }
        let origin: FileSystemDirectoryHandle =
            JsFuture::from(manager.get_directory()).await?.unchecked_into();
        let top = folder(&origin, ROOT).await?;
        Ok(Folder { top })
    }

    /// What a file holds; nothing where there is no file, or one longer than `most_bytes`.
    pub(super) async fn read(
        &self,
        inner: &str,
        name: &str,
        most_bytes: f64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let inner = self.inner(inner).await?;
        let handle = match JsFuture::from(inner.get_file_handle(name)).await {
            Ok(handle) => handle.unchecked_into::<FileSystemFileHandle>(),
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let file: File = JsFuture::from(handle.get_file()).await?.unchecked_into();
        if file.size() > most_bytes {
            return Ok(None);
        }
        let buffer: ArrayBuffer = JsFuture::from(file.array_buffer()).await?.unchecked_into();
        Ok(Some(Uint8Array::new(&buffer).to_vec()))
    }

    /// Writes a file anew, when it is this tab's turn. What could not be written whole is removed again.
    pub(super) async fn write(
        &self,
        inner: &'static str,
        name: String,
        bytes: Vec<u8>,
    ) -> Result<(), StoreError> {
        let this = self.clone();
        unstoppable(async move {
            let _lock = WriterLock::take().await;
            let folder = this.inner(inner).await?;
            let options = FileSystemGetFileOptions::new();
            options.set_create(true);
            let handle: FileSystemFileHandle =
                JsFuture::from(folder.get_file_handle_with_options(&name, &options))
                    .await?
                    .unchecked_into();
            let access: FileSystemSyncAccessHandle = JsFuture::from(handle.create_sync_access_handle())
                .await?
                .unchecked_into();
            let written = fill(&access, &bytes);
            access.close();
            if written.is_err() {
                discard(&folder, &name).await?;
            }
            written
        })
        .await
    }

    /// Removes files, those that are there.
    pub(super) async fn remove(&self, inner: &'static str, names: Vec<String>) -> Result<(), StoreError> {
        let this = self.clone();
        unstoppable(async move {
            let _lock = WriterLock::take().await;
            let folder = this.inner(inner).await?;
            for name in names {
                discard(&folder, &name).await?;
            }
            Ok(())
        })
        .await
    }

    /// The names of all files of an inner folder.
    pub(super) async fn names(&self, inner: &str) -> Result<Vec<String>, StoreError> {
        let keys = self.inner(inner).await?.keys();
        let mut names = Vec::new();
        loop {
            let next = JsFuture::from(keys.next()?).await?;
            let get = |key: &str| js_sys::Reflect::get(&next, &key.into());
            if get("done")?.is_truthy() {
                return Ok(names);
            }
            names.extend(get("value")?.as_string());
        }
    }

    /// Asked for anew each time: the browser may have cleared everything since.
    async fn inner(&self, name: &str) -> Result<FileSystemDirectoryHandle, StoreError> {
        match folder(&self.top, name).await {
            Ok(inner) => Ok(inner),
            Err(StoreError::Broken(_)) => {
                // Our own folder is gone, and its handle leads nowhere.
                let fresh = Box::pin(Folder::open()).await?;
                folder(&fresh.top, name).await
            }
            Err(error) => Err(error),
        }
    }
}

/// What the origin uses and may use, in bytes, where the browser tells.
pub(crate) async fn usage() -> (u64, u64) {
    let figure = |estimate: &JsValue, key: &str| {
        js_sys::Reflect::get(estimate, &key.into())
            .ok()
            .and_then(|value| value.as_f64())
            .unwrap_or_default() as u64
    };
    let Ok(promise) = manager().and_then(|manager| Ok(manager.estimate()?)) else {
        return (0, 0);
    };
    match JsFuture::from(promise).await {
        Ok(estimate) => (figure(&estimate, "usage"), figure(&estimate, "quota")),
        Err(_) => (0, 0),
    }
}

fn manager() -> Result<StorageManager, StoreError> {
    let navigator = js_sys::Reflect::get(&js_sys::global(), &"navigator".into())?;
    let storage = js_sys::Reflect::get(&navigator, &"storage".into())?;
    if storage.is_object() {
        Ok(storage.unchecked_into())
    } else {
        Err(StoreError::Refused("it has no storage for pages".to_owned()))
    }
}

async fn folder(of: &FileSystemDirectoryHandle, name: &str) -> Result<FileSystemDirectoryHandle, StoreError> {
    let options = FileSystemGetDirectoryOptions::new();
    options.set_create(true);
    let found = JsFuture::from(of.get_directory_handle_with_options(name, &options)).await?;
    Ok(found.unchecked_into())
}

async fn discard(folder: &FileSystemDirectoryHandle, name: &str) -> Result<(), StoreError> {
    match JsFuture::from(folder.remove_entry(name)).await {
        Err(error) if !is_missing(&error) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Goes on to its end although nobody waits any more: a file whose handle is never closed stays locked.
async fn unstoppable(work: impl Future<Output = Result<(), StoreError>> + 'static) -> Result<(), StoreError> {
    let (sender, end) = oneshot::channel();
    wasm_bindgen_futures::spawn_local(async move {
        // Nobody may be waiting for it.
        let _ = sender.send(work.await);
    });
    end.await
        .unwrap_or_else(|_| Err(StoreError::Broken("it was not done".to_owned())))
}

fn fill(access: &FileSystemSyncAccessHandle, bytes: &[u8]) -> Result<(), StoreError> {
    access.truncate_with_u32(0)?;
    let written = access.write_with_u8_array(bytes)?;
    if written as usize == bytes.len() {
        Ok(())
    } else {
        Err(StoreError::Full)
    }
}

fn is_missing(error: &JsValue) -> bool {
    js_sys::Reflect::get(error, &"name".into()).is_ok_and(|name| name == "NotFoundError")
}
