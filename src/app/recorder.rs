//! Where the records of calls go: metrics always, a line if it is wanted.

use crate::layers::call::record::{Record, Recorder};
use crate::observe::call_log::{self, CallLog};
use crate::observe::metrics;

/// Writes the records of calls.
#[derive(Clone, Debug)]
pub(super) struct CallRecorder {
    /// The log, unless `logging.calls` is off.
    pub(super) log: Option<CallLog>,
}

impl Recorder for CallRecorder {
    fn record(&self, record: &Record) {
        let duration = record.started.elapsed();
        let method = record.notes.method.get().copied().unwrap_or(record.method);
        let (name, backend) = (record.notes.name.get(), record.notes.backend.get());
        metrics::call_ended(
            method.as_str(),
            name.cloned().unwrap_or_default(),
            backend.cloned().unwrap_or_default(),
            record.outcome,
            duration,
        );
        let Some(log) = &self.log else { return };
        log.write(&call_log::Record {
            method: method.as_str(),
            tool: name.map_or("", |name| name),
            backend: backend.map_or("", |backend| backend),
            outcome: record.outcome,
            duration,
            session: record.session,
            request_id: record.notes.request_id.as_deref(),
            error: record.error.as_deref(),
        });
    }
}
