//! TLS on the listeners, for as long as the gateway runs.

use anyhow::Context as _;

use super::backside::Backside;
use crate::observe::metrics::certificate_expires;
use crate::server::{Acceptor, Listeners, Tls};

/// The listeners, with what `tls` says.
pub(super) fn secured(
    listeners: Option<Listeners>,
    Tls(files): &Tls,
) -> anyhow::Result<Option<Listeners>> {
    let Some(files) = files else { return Ok(listeners) };
    let acceptor = Acceptor::new(files.clone()).context("a listener cannot speak TLS")?;
    Ok(listeners.map(|listeners| listeners.with_tls(acceptor)))
}

/// Takes up files that change; `name` is the listener's in metrics and in the log.
pub(super) fn follow(backside: &Backside, name: &'static str, listeners: Option<&Listeners>) {
    if let Some(acceptor) = listeners.and_then(Listeners::tls) {
        certificate_expires(name, acceptor.not_after());
        let renewed = move |not_after| certificate_expires(name, not_after);
        backside.run(acceptor.clone().follow(name, renewed));
    }
}
