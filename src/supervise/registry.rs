//! All backends.

use std::sync::Arc;

use futures_util::future;
use serde::Serialize;
use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;

use super::supervisor::Supervisor;
use crate::backends::{BackendState, Config, Context, Handle, Pool};
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
    /// By name.
    members: Vec<Member>,
    stopping: CancellationToken,
}

#[derive(Debug)]
struct Member {
    handle: Arc<Handle>,
    auto_start: bool,
    stopping: CancellationToken,
}

/// A connection that belongs to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConnection {
    /// The backend.
    pub backend: Arc<str>,
    /// When it was opened.
    pub opened: Instant,
    /// When it was used last.
    pub used: Instant,
}

/// How a backend is, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Its name.
    pub name: Arc<str>,
    /// Its state, in the words people know.
    pub state: &'static str,
    /// What it failed with.
    #[serde(skip_serializing_if = "Option::is_none")]
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
        let member =
            |(handle, auto_start)| Member { handle, auto_start, stopping: stopping.child_token() };
        let members: Vec<_> = members.into_iter().map(member).collect();
        for member in members.iter().filter(|member| member.auto_start) {
            let supervisor = Supervisor::new(member.handle.clone());
            context.background.spawn(supervisor.run(member.stopping.clone()));
        }
        let handles = members.iter().map(|member| member.handle.clone()).collect();
        context.background.spawn(reap(handles, stopping.clone()));
        Arc::new(Self { members, stopping })
    }

    /// All backends, by name.
    pub fn handles(&self) -> impl Iterator<Item = &Arc<Handle>> {
        self.members.iter().map(|member| &member.handle)
    }

    /// The backend of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Handle>> {
        Some(&self.member(name)?.handle)
    }

    fn member(&self, name: &str) -> Option<&Member> {
        let at = self.members.binary_search_by(|member| (**member.handle.name()).cmp(name)).ok()?;
        Some(&self.members[at])
    }

    /// Waits until every backend that is started with the gateway has answered or failed once.
    pub async fn ready(&self) {
        let started = self.members.iter().filter(|member| member.auto_start);
        let settled = started.map(|member| async {
            // An error means that nobody publishes any more: then there is nothing to wait for.
            let _ = member.handle.watch().wait_for(|state| !state.is_starting()).await;
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

    /// The connections that belong to a session.
    pub fn connections_of(&self, session: SessionId) -> Vec<SessionConnection> {
        let its = self.handles().flat_map(|handle| handle.pool().of_session(session));
        its.map(|pooled| SessionConnection {
            backend: pooled.backend().clone(),
            opened: pooled.opened(),
            used: pooled.used(),
        })
        .collect()
    }

    /// Stops a backend: it offers nothing and takes no calls from now on, and its connections close
    /// when their calls are done, in a minute at the latest. False if there is no such backend.
    pub fn stop(&self, name: &str) -> bool {
        let Some(member) = self.member(name) else { return false };
        member.stopping.cancel();
        // Before its supervisor comes to say so, or a call might open a connection once more.
        member.handle.publish(BackendState::Stopped);
        member.handle.pool().evict_all();
        true
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

/// Closes connections that nobody uses, now and then, until everything stops.
async fn reap(handles: Vec<Arc<Handle>>, stopping: CancellationToken) {
    let mut interval = time::interval(Pool::REAP_EVERY);
    while stopping.run_until_cancelled(interval.tick()).await.is_some() {
        let now = Instant::now();
        for handle in &handles {
            handle.pool().reap(now);
        }
    }
}
