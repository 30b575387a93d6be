//! All backends.

use std::sync::Arc;

use futures_util::future;
use tokio_util::sync::CancellationToken;

use super::supervisor::Supervisor;
use crate::backends::{Config, Context, Handle};
use crate::call::SessionId;

/// A backend as it is configured, and what is to become of it.
#[derive(Clone, Debug)]
pub struct Definition {
    /// What it is made of.
    pub config: Arc<Config>,
    /// Whether it is started with the gateway.
    pub auto_start: bool,
}

/// All configured backends, each with the task that owns its life.
#[derive(Debug)]
pub struct Registry {
    /// By name, and whether each is started with the gateway.
    members: Vec<(Arc<Handle>, bool)>,
    stopping: CancellationToken,
}

/// How a backend is, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its name.
    pub name: Arc<str>,
    /// Its state, in the words people know.
    pub state: &'static str,
    /// What it failed with.
    pub error: Option<Arc<str>>,
}

impl Registry {
    /// Starts all backends at the same time and returns at once.
    pub fn start(definitions: Vec<Definition>, context: &Context) -> Arc<Self> {
        let handle = |it: Definition| (Handle::new(it.config, context.clone()), it.auto_start);
        Self::of(definitions.into_iter().map(handle).collect(), context)
    }

    /// The same for handles that exist already.
    pub(crate) fn of(mut members: Vec<(Arc<Handle>, bool)>, context: &Context) -> Arc<Self> {
        members.sort_by(|(one, _), (other, _)| one.name().cmp(other.name()));
        let stopping = CancellationToken::new();
        for (handle, _) in members.iter().filter(|(_, auto_start)| *auto_start) {
            let supervisor = Supervisor::new(handle.clone());
            context.background.spawn(supervisor.run(stopping.clone()));
        }
        Arc::new(Self { members, stopping })
    }

    /// All backends, by name.
    pub fn handles(&self) -> impl Iterator<Item = &Arc<Handle>> {
        self.members.iter().map(|(handle, _)| handle)
    }

    /// The backend of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Handle>> {
        let at = self.members.binary_search_by(|(handle, _)| (**handle.name()).cmp(name)).ok()?;
        Some(&self.members[at].0)
    }

    /// Waits until every backend that is started with the gateway has answered or failed once.
    pub async fn ready(&self) {
        let started = self.members.iter().filter(|(_, auto_start)| *auto_start);
        let settled = started.map(|(handle, _)| async {
            // An error means that nobody publishes any more: then there is nothing to wait for.
            let _ = handle.watch().wait_for(|state| !state.is_starting()).await;
        });
        future::join_all(settled).await;
    }

    /// How each backend is.
    pub fn status(&self) -> Vec<Status> {
        let status = |handle: &Arc<Handle>| Status {
            name: handle.name().clone(),
            state: handle.word(),
            error: handle.state().error().cloned(),
        };
        self.handles().map(status).collect()
    }

    /// Closes what belongs to a session that has ended.
    pub fn evict_session(&self, session: SessionId) {
        self.handles().for_each(|handle| handle.pool().evict_session(session));
    }

    /// Closes all connections and waits until children have stopped.
    pub async fn shutdown(&self) {
        self.stopping.cancel();
        future::join_all(self.handles().map(|handle| handle.pool().close_all())).await;
    }
}
