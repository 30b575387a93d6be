//! What a client says that backend connections have to hear outside of calls.

use bytes::Bytes;

use super::Registry;
use crate::call::{self, SessionId};
use crate::mcp::LogLevel;

impl Registry {
    /// Passes a notification of a client to the connections that are its session's alone.
    pub fn notify_session(&self, session: SessionId, message: &Bytes) {
        for handle in self.handles() {
            let context = handle.pool().context();
            for pooled in handle.pool().of_session(session) {
                let (message, client) = (message.clone(), context.client.clone());
                let notify = async move { pooled.connection.notify(&client, message).await };
                context.background.spawn(notify);
            }
        }
    }

    /// Tells the connections that serve a client which log messages it wants from now on.
    pub fn set_level(&self, client: &call::Client, level: LogLevel) {
        for handle in self.handles() {
            let key = handle.client_key(client);
            let Some(pooled) = key.and_then(|key| handle.pool().get(key)) else { continue };
            let context = handle.pool().context();
            let client = context.client.clone();
            context.background.spawn(async move { pooled.want_level(&client, level).await });
        }
    }
}
