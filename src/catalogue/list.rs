//! One list of a face: its items, ready to be found and ready to be sent.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::Entry;
use super::cursor::Cursor;
use crate::backends::Kind;

/// How many items a page has at most.
pub(super) const PAGE_ITEMS: usize = 1000;

/// A cursor that did not come from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid params: the cursor is none that this list gave out")]
pub struct InvalidCursor;

/// One item under its exposed name.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) entry: Arc<Entry>,
    /// Its place among the items of its backend.
    pub(super) ordinal: usize,
    /// The JSON object with the exposed name in it.
    pub(super) json: Bytes,
}

/// One list: by backend name, and within a backend in the backend's own order.
#[derive(Debug)]
pub(super) struct List {
    kind: Kind,
    items: Vec<Listed>,
    by_key: HashMap<Arc<str>, usize>,
    /// The results of list requests that go on from page to page.
    pages: Vec<Bytes>,
}

impl List {
    pub(super) fn new(kind: Kind, mut items: Vec<Listed>) -> Self {
        let mut by_key = HashMap::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            by_key.entry(item.entry.exposed.clone()).or_insert(at);
        }
        let count = items.len().div_ceil(PAGE_ITEMS).max(1);
        let mut pages = Vec::with_capacity(count);
        for number in 0..count {
            let end = items.len().min((number + 1) * PAGE_ITEMS);
            let page = render(kind, &mut items[number * PAGE_ITEMS..end], number + 1 < count);
            pages.push(page);
        }
        Self { kind, items, by_key, pages }
    }

    pub(super) fn items(&self) -> &[Listed] {
        &self.items
    }

    pub(super) fn get(&self, key: &str) -> Option<&Arc<Entry>> {
        self.by_key.get(key).map(|at| &self.items[*at].entry)
    }

    /// The result of a list request: JSON, without the envelope.
    ///
    /// # Errors
    /// When the cursor is none of ours.
    pub(super) fn page(&self, cursor: Option<&str>) -> Result<Bytes, InvalidCursor> {
        let Some(cursor) = cursor else { return Ok(self.pages[0].clone()) };
        let start = self.behind(&Cursor::decode(cursor).ok_or(InvalidCursor)?);
        if start.is_multiple_of(PAGE_ITEMS)
            && let Some(page) = self.pages.get(start / PAGE_ITEMS)
        {
            return Ok(page.clone());
        }
        // The list has changed under a client that is in the middle of it.
        let rest = &self.items[start..];
        let page = &rest[..rest.len().min(PAGE_ITEMS)];
        Ok(write(self.kind, page, page.len() < rest.len()).0.freeze())
    }

    /// Where the list goes on behind the item that the cursor names, or where it would stand.
    fn behind(&self, cursor: &Cursor) -> usize {
        let stood = (cursor.backend.as_str(), cursor.ordinal);
        let at =
            self.items.partition_point(|item| (&**item.entry.backend.name(), item.ordinal) < stood);
        if self.items.get(at).is_some_and(|item| *item.entry.exposed == *cursor.key) {
            return at + 1;
        }
        self.by_key.get(cursor.key.as_str()).map_or(at, |found| found + 1)
    }
}

/// Renders a page and lets its items share its memory.
fn render(kind: Kind, items: &mut [Listed], goes_on: bool) -> Bytes {
    let (page, mut at) = write(kind, items, goes_on);
    let page = page.freeze();
    for item in items {
        let end = at + item.json.len();
        item.json = page.slice(at..end);
        at = end + 1;
    }
    page
}

/// The page, and where its first item begins.
fn write(kind: Kind, items: &[Listed], goes_on: bool) -> (BytesMut, usize) {
    let size: usize = items.iter().map(|item| item.json.len() + 1).sum();
    let mut page = BytesMut::with_capacity(size + 256);
    page.put_slice(format!("{{\"{}\":[", kind.field()).as_bytes());
    let first = page.len();
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            page.put_u8(b',');
        }
        page.put_slice(&item.json);
    }
    page.put_u8(b']');
    if let Some(last) = items.last().filter(|_| goes_on) {
        let entry = &last.entry;
        let cursor = Cursor::encode(entry.backend.name(), last.ordinal, &entry.exposed);
        page.put_slice(format!(",\"nextCursor\":\"{cursor}\"").as_bytes());
    }
    page.put_u8(b'}');
    (page, first)
}
