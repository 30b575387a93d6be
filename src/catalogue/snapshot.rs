//! The catalogue: what all backends offer now, kept by one writer.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use bytes::Bytes;
use futures_util::stream::{BoxStream, SelectAll};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::broadcast;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::events::{Event, events};
use super::face::Names;
use super::faces::{FaceKey, Faces};
use super::gather::{Offers, entry};
use super::list::InvalidCursor;
use super::member::agree;
use super::wait::Late;
use super::{
    Audience, Change, Collision, Config, Entry, Exposure, Face, Judge, Member, OWN_NAME, View,
    Visibility,
};
use crate::backends::{Background, Handle, Kind, Kinds, ListChanged, Offer};
use crate::call::{self, Endpoint, Principal};

/// How many changes wait for a slow stream before it has to take everything as changed.
const CHANGES_CAPACITY: usize = 256;

/// Why there is no list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// The cursor is none of ours.
    #[error(transparent)]
    Cursor(#[from] InvalidCursor),
    /// No backend of that name.
    #[error("there is no server {0}")]
    UnknownServer(Arc<str>),
}

/// Why one backend has no endpoint of its own.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ServerError {
    /// No backend of that name.
    #[error("there is no server {0}")]
    Unknown(Arc<str>),
    /// It cannot be called now.
    #[error(transparent)]
    Unavailable(#[from] call::Error),
}

/// What all backends offer, under one set of names.
pub struct Catalogue {
    config: Config,
    exposing: Exposing,
    judge: Arc<dyn Judge>,
    own: watch::Sender<Own>,
    /// By name.
    members: Vec<Member>,
    snapshot: ArcSwap<Snapshot>,
    faces: Faces,
    late: Late,
    changes: broadcast::Sender<Change>,
}

/// How `/mcp` shows what there is.
#[derive(Clone, Debug)]
pub struct Exposing {
    /// `aggregator.exposure`.
    pub exposure: Exposure,
    /// `aggregator.musterPrefix`.
    pub prefix: String,
}

/// What Portcullis itself offers, and how often that has changed.
#[derive(Default)]
pub(super) struct Own {
    edition: u64,
    entries: Vec<Arc<Entry>>,
}

/// What everybody sees who has no connection of their own.
pub(super) struct Snapshot {
    offers: Vec<Option<Arc<Offer>>>,
    /// None before the first look.
    key: Option<FaceKey>,
    pub(super) face: Arc<Face>,
}

impl Default for Snapshot {
    fn default() -> Self {
        let nothing = Offers { members: Vec::new(), own: &[], shows: &|_| true, prefix: "" };
        let face = Arc::new(Face::new(&nothing, Names::Own, Exposure::default()));
        Self { offers: Vec::new(), key: None, face }
    }
}

impl Catalogue {
    /// Builds the catalogue and keeps it up to date until `shutdown`.
    pub fn start(
        config: Config,
        exposing: Exposing,
        judge: Arc<dyn Judge>,
        mut members: Vec<Member>,
        background: &Background,
        shutdown: CancellationToken,
    ) -> Arc<Self> {
        members.sort_by(|one, other| one.handle.name().cmp(other.handle.name()));
        agree(&mut members);
        let own = watch::Sender::new(Own::default());
        // Before the first look, so that nothing is missed.
        let events = events(&members, own.subscribe(), judge.editions());
        let catalogue = Arc::new(Self {
            config,
            exposing,
            judge,
            own,
            members,
            snapshot: ArcSwap::from_pointee(Snapshot::default()),
            faces: Faces::default(),
            late: Late::default(),
            changes: broadcast::channel(CHANGES_CAPACITY).0,
        });
        catalogue.rebuild();
        let writer = Arc::clone(&catalogue);
        background.spawn(async move { writer.write(events, shutdown).await });
        catalogue
    }

    /// Says what Portcullis itself offers from now on.
    pub fn offer(&self, entries: Vec<Arc<Entry>>) {
        self.own.send_modify(|own| {
            own.edition += 1;
            own.entries = entries;
        });
    }

    /// Whether backends are still listened to: until the gateway takes its leave.
    pub fn is_kept_up_to_date(&self) -> bool {
        self.own.receiver_count() > 0 // the writer's
    }

    /// Through whose eyes a client sees the catalogue.
    pub fn view(&self, client: &call::Client, principal: &Principal) -> View {
        View::of(client, self.judge.visibility(principal))
    }

    /// What a client sees, as a list would show it: waits like one.
    pub async fn settled(&self, endpoint: &Endpoint, view: &View) -> Option<Arc<Face>> {
        self.settle(endpoint, view).await;
        self.face(endpoint, view)
    }

    /// Hears when lists change.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// The result of a list request, as JSON without its envelope.
    ///
    /// Waits at most `catalogue.firstListWait` for what would be missing; what comes later is
    /// announced as a change.
    ///
    /// # Errors
    /// When the cursor is none of ours, or there is no such server.
    pub async fn list(
        &self,
        endpoint: &Endpoint,
        kind: Kind,
        cursor: Option<&str>,
        view: &View,
    ) -> Result<Bytes, ListError> {
        if cursor.is_none() {
            self.settle(endpoint, view).await;
        }
        let face = self.face(endpoint, view).ok_or_else(|| match endpoint {
            Endpoint::Server(name) => ListError::UnknownServer(name.clone()),
            Endpoint::Aggregate => unreachable!("the aggregate always has a face"),
        })?;
        Ok(face.page(kind, cursor)?)
    }

    /// What one backend says of itself, for `initialize` at its own endpoint; waits at most
    /// `catalogue.firstListWait` for its first start.
    ///
    /// # Errors
    /// When there is no such backend, or it cannot be called.
    pub async fn server(&self, name: &Arc<str>) -> Result<Arc<Offer>, ServerError> {
        let member = self.member(name).ok_or_else(|| ServerError::Unknown(name.clone()))?;
        let mut state = member.1.handle.watch();
        let started = state.wait_for(|state| !state.is_starting());
        let _ = timeout(self.config.first_list_wait, started).await;
        let offer = member.1.handle.state().offer().cloned();
        offer.ok_or_else(|| member.1.handle.unavailable().into())
    }

    /// What could not be shown because its name was taken.
    pub fn collisions(&self) -> Vec<Collision> {
        self.snapshot.load().face.collisions().to_vec()
    }

    /// What a client without a connection of its own sees at `/mcp`.
    pub fn snapshot(&self) -> Arc<Face> {
        self.snapshot.load().face.clone()
    }

    /// What a client sees now; `None` if there is no such server.
    pub fn face(&self, endpoint: &Endpoint, view: &View) -> Option<Arc<Face>> {
        let names = match endpoint {
            Endpoint::Aggregate => Names::Exposed,
            Endpoint::Server(name) => self.member(name).map(|_| Names::Own)?,
        };
        let offer = |(at, member)| Some((at, self.offer_to(view, member)?));
        let offers: Vec<_> = self.members_at(endpoint).filter_map(offer).collect();
        Some(self.built(names, view.visibility, &offers).1)
    }

    /// How many things of each kind a backend has that are of use to a client. No face is built for
    /// it: whoever asks about all backends would drive those out that lists are made of.
    pub fn count(
        &self,
        backend: &Handle,
        view: &View,
        is_of_use: impl Fn(&Entry) -> bool,
    ) -> [usize; Kind::ALL.len()] {
        let member = self.member(backend.name()).map(|(_, member)| member);
        let offered = member.and_then(|member| Some((member, self.offer_to(view, member)?)));
        let Some((member, offer)) = offered else { return Default::default() };
        Kind::ALL.map(|kind| {
            let entries =
                offer.items(kind).iter().map(|it| entry(kind, it.key.clone(), member, it));
            entries.filter(|entry| is_of_use(entry)).count()
        })
    }

    /// What a backend offers to a client.
    fn offer_to(&self, view: &View, member: &Member) -> Option<Arc<Offer>> {
        let offer = member.offer(&self.config)?;
        let is_running = member.handle.state().offer().is_some();
        let key = view.overlay_key(&member.handle).filter(|_| is_running);
        Some(key.and_then(|key| member.overlay(key)).unwrap_or(offer))
    }

    /// The face of such offers, built if nobody did before.
    fn built(
        &self,
        names: Names,
        visibility: Visibility,
        offers: &[(usize, Arc<Offer>)],
    ) -> (FaceKey, Arc<Face>) {
        let digests = offers.iter().map(|(at, offer)| (*at, *offer.digest())).collect();
        let own = self.own.borrow().edition;
        let key = FaceKey { names, visibility, own, offers: digests };
        let snapshot = self.snapshot.load();
        if snapshot.key.as_ref() == Some(&key) {
            return (key, snapshot.face.clone());
        }
        let face = self.faces.get_or_build(key.clone(), || {
            let members = offers.iter().map(|(at, offer)| (&self.members[*at], offer.clone()));
            let own = self.own.borrow();
            let shows = |entry: &Entry| self.judge.shows(visibility, entry);
            let prefix = self.prefix();
            let offers =
                Offers { members: members.collect(), own: &own.entries, shows: &shows, prefix };
            Face::new(&offers, names, self.exposing.exposure)
        });
        (key, face)
    }

    /// What every exposed name begins with.
    pub(super) fn prefix(&self) -> &str {
        &self.exposing.prefix
    }

    /// Whether whom these rules apply to may hear of a backend.
    pub(super) fn knows(&self, visibility: Visibility, backend: &Handle) -> bool {
        self.judge.knows(visibility, backend)
    }

    /// The snapshot for as long as a lookup takes.
    pub(super) fn load(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn late(&self) -> &Late {
        &self.late
    }

    /// The backends behind an endpoint, by their place in the catalogue.
    pub(super) fn members_at(&self, endpoint: &Endpoint) -> impl Iterator<Item = (usize, &Member)> {
        let (all, one) = match endpoint {
            Endpoint::Aggregate => (&self.members[..], None),
            Endpoint::Server(name) => (&[][..], self.member(name)),
        };
        all.iter().enumerate().chain(one)
    }

    pub(super) fn member(&self, name: &str) -> Option<(usize, &Member)> {
        let by_name = |member: &Member| (**member.handle.name()).cmp(name);
        let at = self.members.binary_search_by(by_name).ok()?;
        Some((at, &self.members[at]))
    }

    async fn write(
        &self,
        mut events: SelectAll<BoxStream<'static, Event>>,
        shutdown: CancellationToken,
    ) {
        loop {
            let expiry = self.members.iter().filter_map(|it| it.offers_until(&self.config)).min();
            tokio::select! {
                () = shutdown.cancelled() => return,
                Some(event) = events.next() => {
                    self.hear(event);
                    // Backends that start together cause one rebuild, not one each.
                    while let Some(Some(event)) = events.next().now_or_never() {
                        self.hear(event);
                    }
                }
                () = sleep_until(expiry.unwrap_or_else(Instant::now)), if expiry.is_some() => {}
            }
            self.rebuild();
        }
    }

    fn hear(&self, event: Event) {
        match event {
            Event::State => {}
            Event::Overlay(at, ListChanged { key, before, now }) => {
                let handle = &self.members[at].handle;
                if key == handle.supervisor_key() {
                    return; // comes with the state
                }
                let was_missed = self.late.came(at, key);
                let before = match before {
                    Some(before) => Some(before),
                    None if was_missed => self.members[at].offer(&self.config),
                    None => return, // nobody has seen anything else
                };
                let kinds = Offer::difference(before.as_deref(), Some(&now));
                self.announce(at, key.into(), kinds);
            }
            Event::Lagged(at) => {
                let kinds = Kinds { tools: true, prompts: true, resources: true };
                self.announce(at, Audience::Everybody, kinds);
            }
        }
    }

    fn rebuild(&self) {
        let old = self.snapshot.swap(Arc::new(self.take()));
        self.report(&old.face);
        let new = self.snapshot.load();
        let has_new_rules = old.key.as_ref().map(|key| (key.own, key.visibility))
            != new.key.as_ref().map(|key| (key.own, key.visibility));
        if has_new_rules && old.key.is_some() {
            let kinds = Kinds { tools: true, prompts: true, resources: true };
            self.tell(Change { backend: OWN_NAME.into(), audience: Audience::Everybody, kinds });
        }
        for (at, (before, now)) in old.offers.iter().zip(&new.offers).enumerate() {
            let kinds = Offer::difference(before.as_deref(), now.as_deref());
            self.announce(at, Audience::Everybody, kinds);
        }
    }

    fn announce(&self, at: usize, audience: Audience, kinds: Kinds) {
        if !kinds.is_empty() {
            let backend = self.members[at].handle.name().clone();
            self.tell(Change { backend, audience, kinds });
        }
    }

    fn tell(&self, change: Change) {
        // Without an open stream nobody listens.
        let _ = self.changes.send(change);
    }

    /// What everybody sees who has no connection of their own.
    fn take(&self) -> Snapshot {
        let offers: Vec<_> = self.members.iter().map(|it| it.offer(&self.config)).collect();
        let present = offers.iter().cloned().enumerate();
        let present: Vec<_> = present.filter_map(|(at, offer)| Some((at, offer?))).collect();
        let visibility = self.judge.visibility(&Principal::anonymous());
        let (key, face) = self.built(Names::Exposed, visibility, &present);
        Snapshot { offers, key: Some(key), face }
    }

    /// Says which names are taken and which families do not agree, each once.
    fn report(&self, known: &Face) {
        let snapshot = self.snapshot.load();
        for apart in snapshot.face.apart().iter().filter(|it| !known.apart().contains(it)) {
            warn!("{apart}");
        }
        let (collisions, known) = (snapshot.face.collisions(), known.collisions());
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 items")]
        metrics::gauge!("portcullis_catalogue_collisions").set(collisions.len() as f64);
        for collision in collisions.iter().filter(|it| !known.contains(it)) {
            let backend = &*collision.hidden;
            match collision.kind {
                Kind::Tool | Kind::Prompt => warn!(backend, "{collision}"),
                // Servers of one kind offer the same URIs, and nothing has to be done about it.
                Kind::Resource | Kind::ResourceTemplate => info!(backend, "{collision}"),
            }
        }
    }
}
