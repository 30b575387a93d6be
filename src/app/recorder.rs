//! Where the records of calls go: metrics always, a line if it is wanted.

use std::fmt::Display;
use std::sync::Arc;

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
        let (name, backend) = (record.notes.name.get(), record.notes.backend.get());
        let none = Arc::default();
        let (tool, of) = (name.unwrap_or(&none), backend.unwrap_or(&none));
        metrics::call_ended(record.method, tool, of, record.outcome, duration);
        let Some(log) = &self.log else { return };
        log.write(&call_log::Record {
            method: record.method.as_str(),
            tool: name.map_or("", |name| name),
            backend: backend.map_or("", |backend| backend),
            outcome: record.outcome,
            duration,
            session: record.session,
            request_id: record.notes.request_id.as_deref(),
            error: record.error.as_ref().map(|error| error as &dyn Display),
        });
    }
}
