//! One list of a face: its items, ready to be found and ready to be sent.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use foldhash::fast::RandomState;

use super::Named;
use super::cursor::{Cursor, Place};
use crate::backends::Kind;

/// How many items a page has at most.
pub(super) const PAGE_ITEMS: usize = 1000;

/// A cursor that did not come from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid params: the cursor is none that this list gave out")]
pub struct InvalidCursor;

/// One item under its exposed name.
#[derive(Clone, Debug)]
pub struct Listed {
    /// What it is and where it leads.
    pub named: Named,
    /// The JSON object with the exposed name in it.
    pub json: Bytes,
    pub(super) place: Place,
}

/// One list, in the order of places.
#[derive(Debug)]
pub(super) struct List {
    kind: Kind,
    items: Vec<Listed>,
    /// The part of the items that list requests show.
    range: Range<usize>,
    /// By a quick hash: its seed is random, and backends learn nothing of what depends on it.
    by_key: HashMap<Arc<str>, Named, RandomState>,
    hidden: Vec<Named>,
    /// The results of list requests that go on from page to page.
    pages: Vec<Bytes>,
}

impl List {
    /// `hidden` can be found and is not shown; of the rest a list request shows `range`.
    pub(super) fn new(
        kind: Kind,
        mut items: Vec<Listed>,
        hidden: Vec<Named>,
        range: Range<usize>,
    ) -> Self {
        let known = items.len() + hidden.len();
        let mut by_key = HashMap::with_capacity_and_hasher(known, RandomState::default());
        for named in items.iter().map(|item| &item.named).chain(&hidden) {
            let named = named.clone();
            by_key.entry(named.exposed().clone()).or_insert(named);
        }
        let count = range.len().div_ceil(PAGE_ITEMS).max(1);
        let mut pages = Vec::with_capacity(count);
        for number in 0..count {
            let start = range.start + number * PAGE_ITEMS;
            let end = range.end.min(start + PAGE_ITEMS);
            pages.push(render(kind, &mut items[start..end], number + 1 < count));
        }
        Self { kind, items, range, by_key, hidden, pages }
    }

    pub(super) fn items(&self) -> &[Listed] {
        &self.items
    }

    pub(super) fn hidden(&self) -> &[Named] {
        &self.hidden
    }

    pub(super) fn get(&self, key: &str) -> Option<&Named> {
        self.by_key.get(key)
    }

    /// The result of a list request: JSON, without the envelope.
    ///
    /// # Errors
    /// When the cursor is none of ours.
    pub(super) fn page(&self, cursor: Option<&str>) -> Result<Bytes, InvalidCursor> {
        let Some(cursor) = cursor else { return Ok(self.pages[0].clone()) };
        let shown = &self.items[self.range.clone()];
        let start = behind(shown, &Cursor::decode(cursor).ok_or(InvalidCursor)?);
        if start.is_multiple_of(PAGE_ITEMS)
            && let Some(page) = self.pages.get(start / PAGE_ITEMS)
        {
            return Ok(page.clone());
        }
        // The list has changed under a client that is in the middle of it.
        let rest = &shown[start..];
        let page = &rest[..rest.len().min(PAGE_ITEMS)];
        Ok(write(self.kind, page, page.len() < rest.len()).0.freeze())
    }
}

/// Where the list goes on behind the item that the cursor names, or where it would stand.
fn behind(shown: &[Listed], cursor: &Cursor) -> usize {
    let at = shown.partition_point(|item| item.place < cursor.place);
    let is_it = |item: &Listed| **item.named.exposed() == *cursor.key;
    if shown.get(at).is_some_and(is_it) {
        return at + 1;
    }
    shown.iter().position(is_it).map_or(at, |found| found + 1)
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
        let cursor = Cursor::encode(&last.place, last.named.exposed());
        page.put_slice(format!(",\"nextCursor\":\"{cursor}\"").as_bytes());
    }
    page.put_u8(b'}');
    (page, first)
}
