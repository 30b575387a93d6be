//! Listing what a backend offers, completely, and again when it says that it changed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::time::sleep;
use tracing::{debug, warn};

use super::offer::{Item, Kind, Offer};
use super::{Connection, Pooled};
use crate::call;
use crate::mcp::Message;
use crate::outbound;

/// How many pages of one list are read.
const MAX_PAGES: usize = 1000;
/// How many items of one kind a backend may list; the rest is not shown.
const MAX_ITEMS: usize = 20_000;
/// How many bytes one list may have together.
const MAX_BYTES: usize = 64 << 20;
/// Changes that come within this time of each other are one refresh.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// What is known of a connection's offer.
#[derive(Clone, Debug, Default)]
pub enum Listing {
    /// Being listed for the first time.
    #[default]
    Pending,
    /// The newest complete offer.
    Listed(Arc<Offer>),
    /// It could not be listed, and never was before.
    Failed(Arc<str>),
}

impl Listing {
    /// The offer, once there is one.
    pub fn offer(&self) -> Option<&Arc<Offer>> {
        match self {
            Self::Listed(offer) => Some(offer),
            Self::Pending | Self::Failed(_) => None,
        }
    }
}

/// Keeps the listing of a connection fresh for as long as it is polled.
///
/// One list runs at a time; a change during it leads to another.
pub(super) async fn keep_listed(pooled: &Pooled, client: &outbound::Client, timeout: Duration) {
    loop {
        let lists = Lists { pooled, client, timeout };
        match lists.all().await {
            Ok(offer) => pooled.publish(offer),
            Err(error) => {
                let backend = &**pooled.backend();
                warn!(backend, %error, "cannot list what the backend offers");
                pooled.publish_failure(&error.to_string());
            }
        }
        pooled.changed().await;
        sleep(DEBOUNCE).await;
    }
}

/// The lists of one connection, being read.
struct Lists<'a> {
    pooled: &'a Pooled,
    client: &'a outbound::Client,
    timeout: Duration,
}

/// A page of any list. Servers in Go write an empty one as `null`.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow, default)]
    tools: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    prompts: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    resources: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default, rename = "resourceTemplates")]
    resource_templates: Option<Vec<&'a RawValue>>,
    #[serde(default, rename = "nextCursor")]
    next_cursor: Option<String>,
}

impl Page<'_> {
    fn items(&self, kind: Kind) -> &[&RawValue] {
        let items = match kind {
            Kind::Tool => &self.tools,
            Kind::Prompt => &self.prompts,
            Kind::Resource => &self.resources,
            Kind::ResourceTemplate => &self.resource_templates,
        };
        items.as_deref().unwrap_or_default()
    }
}

impl Lists<'_> {
    /// All lists that the backend declares. One that cannot be read leaves the others alone.
    ///
    /// # Errors
    /// When none can be read.
    async fn all(&self) -> Result<Offer, call::Error> {
        let initialized = self.pooled.initialized().clone();
        let declared = self.pooled.declared();
        let list = async |kind: Kind| {
            let items = if declared.lists(kind) { Some(self.list(kind).await) } else { None };
            (kind, items)
        };
        let (tools, prompts, resources, templates) = future::join4(
            list(Kind::Tool),
            list(Kind::Prompt),
            list(Kind::Resource),
            list(Kind::ResourceTemplate),
        )
        .await;
        let lists = [tools, prompts, resources, templates];
        let mut read = lists.iter().filter_map(|(_, items)| items.as_ref());
        if let Some(Err(error)) = read.next()
            && read.all(Result::is_err)
        {
            return Err(error.clone());
        }
        let lists = lists.map(|(kind, items)| match items {
            Some(Ok(items)) => items,
            Some(Err(error)) => self.previous(kind, &error),
            None => Vec::new(),
        });
        Ok(Offer::new(initialized, lists))
    }

    /// What is shown instead of a list that could not be read.
    fn previous(&self, kind: Kind, error: &call::Error) -> Vec<Item> {
        warn!(backend = &**self.pooled.backend(), %error, "{} failed", kind.method());
        self.pooled.offer().map(|offer| offer.items(kind).to_vec()).unwrap_or_default()
    }

    /// All pages of one list.
    async fn list(&self, kind: Kind) -> Result<Vec<Item>, call::Error> {
        let backend = &**self.pooled.backend();
        let mut items: Vec<Item> = Vec::new();
        let (mut bytes, mut cursors) = (0, HashSet::new());
        let mut cursor: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let Some(result) = self.page(kind, cursor.as_deref()).await? else { return Ok(items) };
            let page: Page<'_> = serde_json::from_slice(&result).map_err(|error| {
                self.bad_answer(&format!("the result of {}: {error}", kind.method()))
            })?;
            let new = self.items(kind, &result, page.items(kind));
            if starts_over(&items, &new) {
                return Ok(items);
            }
            bytes += result.len();
            items.extend(new);
            if items.len() > MAX_ITEMS || bytes > MAX_BYTES {
                break;
            }
            cursor = page.next_cursor;
            match &cursor {
                Some(next) if cursors.insert(next.clone()) => {}
                // The end, or a backend that would lead us in circles.
                _ => return Ok(items),
            }
        }
        items.truncate(MAX_ITEMS);
        warn!(backend, shown = items.len(), "{} is too long; the rest is not shown", kind.method());
        Ok(items)
    }

    /// One page; `None` if the backend refuses to list, which takes only this list away.
    async fn page(&self, kind: Kind, cursor: Option<&str>) -> Result<Option<Bytes>, call::Error> {
        let params = cursor.map(|cursor| json!({ "cursor": cursor }));
        let connection: &Connection = &self.pooled.connection;
        let response: Message =
            connection.request(self.client, kind.method(), params.as_ref(), self.timeout).await?;
        if let Some(error) = response.error() {
            let (backend, error) = (&**self.pooled.backend(), shortened(&error));
            // Templates are a part of `resources` that many servers leave out.
            if kind == Kind::ResourceTemplate {
                debug!(backend, error, "the backend lists no templates");
            } else {
                warn!(backend, error, "the backend refuses {}", kind.method());
            }
        }
        Ok(response.result())
    }

    fn items(&self, kind: Kind, page: &Bytes, raw: &[&RawValue]) -> Vec<Item> {
        let read = |raw: &&RawValue| {
            let raw = page.slice_ref(raw.get().as_bytes());
            Item::parse(kind, raw).inspect_err(|reason| {
                let backend = &**self.pooled.backend();
                warn!(backend, reason, "a {} cannot be shown", kind.noun());
            })
        };
        raw.iter().filter_map(|raw| read(raw).ok()).collect()
    }

    fn bad_answer(&self, detail: &str) -> call::Error {
        call::Error::BadAnswer { backend: self.pooled.backend().clone(), detail: detail.into() }
    }
}

/// Whether a page is the first one again: an empty cursor is valid, but some servers mean the end
/// by it and then list from the start.
fn starts_over(items: &[Item], page: &[Item]) -> bool {
    matches!((items.first(), page.first()), (Some(first), Some(again)) if first.raw == again.raw)
}

fn shortened(error: &[u8]) -> String {
    String::from_utf8_lossy(error).chars().take(200).collect()
}
