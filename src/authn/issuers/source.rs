//! Where an issuer's keys come from.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::io::AsyncReadExt;
use tokio::time;
use url::Url;

use super::failure::Failure;
use super::metadata::{Metadata, discover};
use crate::authn::Issuer;
use crate::authn::keys::KeySet;
use crate::outbound::{Bounds, Fetcher};

/// How often a file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where an issuer's keys come from.
pub(super) struct Source {
    fetcher: Arc<Fetcher>,
    place: Place,
}

enum Place {
    /// Where its metadata says.
    Metadata {
        issuer: Arc<str>,
        /// Whether an issuer without keys is of use: its tokens may be opaque, all of them.
        may_have_none: bool,
        /// What was said last; a token with an unknown key has no other metadata looked for.
        last: Option<Metadata>,
    },
    Url(Url),
    File {
        path: PathBuf,
        last: Option<Version>,
    },
}

/// What tells one version of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    changed: Option<SystemTime>,
    length: u64,
    #[cfg(unix)]
    inode: u64,
}

/// What an issuer says of itself.
pub(super) struct Said {
    pub(super) keys: KeySet,
    pub(super) introspection: Option<Url>,
}

impl Source {
    pub(super) fn new(config: &Issuer, fetcher: Arc<Fetcher>) -> Self {
        let place = match (&config.jwks_file, &config.jwks_url) {
            (Some(path), _) => Place::File { path: path.clone(), last: None },
            (None, Some(url)) => Place::Url(url.clone()),
            (None, None) => Place::Metadata {
                issuer: Arc::clone(&config.issuer),
                may_have_none: config.introspection.is_some(),
                last: None,
            },
        };
        Self { fetcher, place }
    }

    /// Asks. With `keys_alone` what else was learnt before is taken to be still true.
    pub(super) async fn ask(&mut self, keys_alone: bool) -> Result<Said, Failure> {
        match &mut self.place {
            Place::Url(url) => {
                Ok(Said { keys: fetch(&self.fetcher, url).await?, introspection: None })
            }
            Place::File { path, last } => {
                // Looked at before it is read: a change in between is seen as one.
                *last = version(path).await;
                Ok(Said { keys: read(path).await?, introspection: None })
            }
            Place::Metadata { issuer, may_have_none, last } => {
                let metadata = match last.take() {
                    Some(last) if keys_alone => last,
                    _ => discover(issuer, &self.fetcher).await?,
                };
                let keys = match &metadata.jwks {
                    Some(url) => fetch(&self.fetcher, url).await?,
                    None if *may_have_none => KeySet::default(),
                    None => return Err(Failure::NoKeys { url: metadata.url }),
                };
                let introspection = metadata.introspection.clone();
                *last = Some(metadata);
                Ok(Said { keys, introspection })
            }
        }
    }

    /// Waits until there is reason to believe that the keys are others. What is on the network has
    /// to be asked.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(super) async fn changed(&self) {
        let Place::File { path, last } = &self.place else { return std::future::pending().await };
        loop {
            time::sleep(LOOK_EVERY).await;
            if version(path).await != *last {
                return;
            }
        }
    }
}

async fn fetch(fetcher: &Fetcher, url: &Url) -> Result<KeySet, Failure> {
    let document = fetcher.get(url).await;
    let document =
        document.map_err(|error| Failure::Fetch { url: url.clone(), error: Box::new(error) })?;
    let bad = |error| Failure::Keys { place: url.as_str().into(), error };
    KeySet::parse(&document).map_err(bad)
}

async fn read(path: &Path) -> Result<KeySet, Failure> {
    let failed = |error| Failure::File { path: path.to_owned(), error };
    let document = read_bounded(path).await.map_err(failed)?;
    let bad = |error| Failure::Keys { place: path.display().to_string().into(), error };
    KeySet::parse(&document).map_err(bad)
}

async fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let limit = Bounds::default().body as u64;
    let mut document = Vec::new();
    let file = tokio::fs::File::open(path).await?;
    file.take(limit + 1).read_to_end(&mut document).await?;
    if document.len() as u64 > limit {
        return Err(io::Error::other(format!("it is larger than {limit} bytes")));
    }
    Ok(document)
}

async fn version(path: &Path) -> Option<Version> {
    let metadata = tokio::fs::metadata(path).await.ok()?;
    Some(Version {
        changed: metadata.modified().ok(),
        length: metadata.len(),
        #[cfg(unix)]
        inode: std::os::unix::fs::MetadataExt::ino(&metadata),
    })
}
