//! The sites of this browser's person: a key for each, the pages it names, what the relay counted for it.
//! Publishing and counting are the relay's; a site's key never leaves this browser.

use identity::{PublicKey, Signed};
use js_sys::{Object, Reflect};
use registry::{SiteCounts, SiteOrigins};
use serde::Deserialize;
use wasm_bindgen::JsValue;

use crate::config::Storage;
use crate::consents::now;
use crate::error::Error;
use crate::kept::{Drawer, Place};
use crate::keys::KeyPair;
use crate::relay_desk::{self, need, part, text};
use crate::swarms::{decode, encode};

const PLACE: Place = Place {
    database: "manyhands-sites",
    store: "sites",
};
/// Sites of one person.
const MAX_SITES: usize = 64;

/// A site.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SiteInfo {
    /// As it stands in `data-site`.
    pub key: String,
    pub origins: Vec<String>,
    /// Counts what its key has said; 0: nothing yet.
    pub sequence: u64,
}

/// What the relay counted, after its signature was checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SiteGave {
    pub visits: u64,
    pub jobs: u64,
    pub tokens: u64,
    pub bytes: u64,
    pub from_ms: f64,
    pub until_ms: f64,
    /// The relay's publisher key, which signed.
    pub signer: String,
}

/// A published loader and its hash.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loader {
    pub file: String,
    pub integrity: String,
}

pub(crate) struct Sites {
    drawer: Drawer,
    origin: String,
}

struct Site {
    pair: KeyPair,
    info: SiteInfo,
}

impl Sites {
    pub(crate) fn new(storage: Storage, origin: String) -> Sites {
        Sites {
            drawer: Drawer::new(PLACE, storage),
            origin,
        }
    }

    pub(crate) async fn list(&self) -> Result<Vec<SiteInfo>, Error> {
        let mut sites = Vec::new();
        for stored in self.drawer.all().await? {
            if let Ok(site) = read(&stored).await {
                sites.push(site.info);
            }
        }
        Ok(sites)
    }

    /// Makes a site's key, and publishes where its embed may stand.
    pub(crate) async fn create(&self, origins: Vec<String>) -> Result<SiteInfo, Error> {
        if self.drawer.all().await?.len() >= MAX_SITES {
            let message = format!("{MAX_SITES} sites are kept, and no more");
            return Err(Error::new("bad_request", message));
        }
        let pair = KeyPair::bound().await?;
        let info = SiteInfo {
            key: format!("k_{}", encode(&pair.public().to_bytes())),
            ..SiteInfo::default()
        };
        self.say(Site { pair, info }, origins).await
    }

    /// Publishes other pages for a site; none takes it back.
    pub(crate) async fn set_origins(&self, key: &str, origins: Vec<String>) -> Result<SiteInfo, Error> {
        let site = self.open(key).await?;
        self.say(site, origins).await
    }

    /// What the relay counted for a site.
    pub(crate) async fn counts(&self, key: &str) -> Result<SiteGave, Error> {
        let counted = relay_desk::get(&self.origin, &format!("/api/v1/sites/{key}/counts")).await?;
        let publisher = relay_desk::get(&self.origin, "/api/v1/claim").await?;
        let unsound = |e: String| Error::relay(format!("the relay's count does not hold: {e}"));
        let bytes = decode(&need(&counted, "signed")?).ok_or_else(|| unsound("not base64url".to_owned()))?;
        let counts = Signed::<SiteCounts>::from_bytes(&bytes)
            .and_then(|signed| signed.verify())
            .map_err(|e| unsound(e.to_string()))?;
        let signer = hex(&counts.signer());
        if signer != need(&publisher, "publisher")? || format!("k_{}", encode(&counts.site.to_bytes())) != key
        {
            return Err(unsound("signed by another key, or about another site".to_owned()));
        }
        Ok(SiteGave {
            visits: counts.visits,
            jobs: counts.jobs,
            tokens: counts.tokens,
            bytes: counts.bytes,
            from_ms: counts.from.as_ms() as f64,
            until_ms: counts.until.as_ms() as f64,
            signer,
        })
    }

    /// The newest loader that the relay serves, and its hash.
    pub(crate) async fn loader(&self) -> Result<Loader, Error> {
        let loaders = relay_desk::get(&self.origin, "/embed/v1.json").await?;
        let file = need(&loaders, "newest")?;
        let versions = js_sys::Array::from(&part(&loaders, "versions"));
        let version = versions
            .iter()
            .find(|version| text(version, "file").as_ref() == Some(&file))
            .ok_or_else(|| Error::relay("the relay names a loader that it does not list"))?;
        let integrity = need(&version, "integrity")?;
        Ok(Loader { file, integrity })
    }

    /// Takes a site back, as far as the relay can be reached, and forgets its key.
    pub(crate) async fn forget(&self, key: &str) -> Result<(), Error> {
        let site = self.open(key).await?;
        if !site.info.origins.is_empty() {
            self.say(site, Vec::new()).await?;
        }
        self.drawer.remove(key).await
    }

    async fn say(&self, mut site: Site, origins: Vec<String>) -> Result<SiteInfo, Error> {
        let statement = SiteOrigins {
            origins: origins.clone(),
            sequence: site.info.sequence + 1,
            issued_at: now(),
        };
        statement
            .check()
            .map_err(|e| Error::new("bad_request", e.to_string()))?;
        let signed = site.pair.sign(&statement).await?;
        let statement_text = encode(&signed.to_bytes());
        relay_desk::post(&self.origin, "/api/v1/sites", &[("statement", &statement_text)]).await?;
        site.info.origins = origins;
        site.info.sequence = statement.sequence;
        self.drawer.put(&site.info.key, &stored(&site)?).await?;
        Ok(site.info)
    }

    async fn open(&self, key: &str) -> Result<Site, Error> {
        match self.drawer.get(key).await? {
            Some(stored) => read(&stored).await,
            None => Err(Error::new("bad_request", format!("no site {key} is kept here"))),
        }
    }
}

fn hex(key: &PublicKey) -> String {
    key.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn stored(site: &Site) -> Result<JsValue, Error> {
    let value = Object::new();
    let info = serde_json::json!({
        "key": site.info.key,
        "origins": site.info.origins,
        "sequence": site.info.sequence,
    });
    for (name, part) in [
        ("pair", site.pair.to_stored()?),
        ("info", JsValue::from_str(&info.to_string())),
    ] {
        Reflect::set(&value, &name.into(), &part)
            .map_err(|_| Error::internal("a site cannot be put into storage"))?;
    }
    Ok(value.into())
}

async fn read(stored: &JsValue) -> Result<Site, Error> {
    #[derive(Deserialize)]
    struct Info {
        key: String,
        origins: Vec<String>,
        sequence: u64,
    }
    let damaged = || Error::internal("a kept site is damaged");
    let part = |name: &str| Reflect::get(stored, &name.into()).map_err(|_| damaged());
    let info: Info = part("info")?
        .as_string()
        .and_then(|text| serde_json::from_str(&text).ok())
        .ok_or_else(damaged)?;
    let pair = KeyPair::from_stored(&part("pair")?).await?;
    Ok(Site {
        pair,
        info: SiteInfo {
            key: info.key,
            origins: info.origins,
            sequence: info.sequence,
        },
    })
}
