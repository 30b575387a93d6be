//! What is compared: one table, in the order of the report.

use crate::load::Method;

use super::results::Plots;

/// A comparison of calls.
#[derive(Clone, Copy)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) entrants: Entrants,
    pub(super) connections: usize,
    /// How long the message of a call is at least, in bytes.
    pub(super) request_bytes: usize,
    /// How long the text of a result is at least, in bytes.
    pub(super) result_bytes: usize,
    /// How many events a result comes in; 0 for one JSON message.
    pub(super) events: usize,
    pub(super) backends: usize,
    pub(super) tools: usize,
    pub(super) plots: Plots,
}

/// Who takes turns.
#[derive(Clone, Copy)]
pub(super) enum Entrants {
    /// Every target that is asked for, with `tools/call`; the base is the plain proxy.
    Everyone,
    /// These and no others; the base is the first of them.
    These(&'static [Entrant]),
    /// The gateway with every layer, with `tools/list`; the base is a handler that serves the same bytes.
    Lists,
}

#[derive(Clone, Copy)]
pub(super) struct Entrant {
    pub(super) name: &'static str,
    pub(super) target: &'static str,
    pub(super) method: Method,
    /// How many sessions are open; at least one for each connection.
    pub(super) sessions: usize,
}

pub(super) const PLAIN: &str = "plain";
pub(super) const EVERY_LAYER: &str = "every-layer";
/// What serves the bytes of a list that it was given is called.
pub(super) const STATIC: &str = "static-handler";

const CALL: Scenario = Scenario {
    name: "call",
    title: "`tools/call`, JSON, 32 connections",
    entrants: Entrants::Everyone,
    connections: 32,
    request_bytes: 0,
    result_bytes: 0,
    events: 0,
    backends: 10,
    tools: 20,
    plots: Plots::Calls,
};

const fn entrant(name: &'static str, target: &'static str, method: Method) -> Entrant {
    Entrant { name, target, method, sessions: 0 }
}

const fn sessions(name: &'static str, sessions: usize) -> Entrant {
    Entrant { name, target: EVERY_LAYER, method: Method::Call, sessions }
}

pub(super) const CALLS: &[Scenario] = &[
    CALL,
    Scenario {
        name: "call-tool",
        title: "the same by name through `call_tool`, against a plain `tools/call`",
        entrants: Entrants::These(&[
            entrant(PLAIN, PLAIN, Method::Call),
            entrant(EVERY_LAYER, EVERY_LAYER, Method::CallTool),
        ]),
        plots: Plots::None,
        ..CALL
    },
    Scenario { name: "one", title: "`tools/call`, JSON, 1 connection", connections: 1, ..CALL },
    Scenario {
        name: "100b",
        title: "a JSON result of 100 bytes",
        result_bytes: 100,
        plots: Plots::Payload { bytes: 100 },
        ..CALL
    },
    Scenario {
        name: "10kb",
        title: "a JSON result of 10 kB",
        result_bytes: 10_000,
        plots: Plots::Payload { bytes: 10_000 },
        ..CALL
    },
    Scenario {
        name: "100kb",
        title: "a JSON result of 100 kB",
        result_bytes: 100_000,
        plots: Plots::Payload { bytes: 100_000 },
        ..CALL
    },
    Scenario {
        name: "1mb",
        title: "a JSON result of 1 MB",
        result_bytes: 1_000_000,
        plots: Plots::Payload { bytes: 1_000_000 },
        ..CALL
    },
    Scenario {
        name: "sse",
        title: "a result as a stream of 1,000 events",
        events: 1000,
        plots: Plots::None,
        ..CALL
    },
    Scenario {
        name: "request-100kb",
        title: "a request of 100 kB",
        request_bytes: 100_000,
        plots: Plots::None,
        ..CALL
    },
    Scenario {
        name: "sessions",
        title: "1, 100 and 10,000 sessions open, called in turn over 1 connection",
        entrants: Entrants::These(&[
            sessions("1 session", 1),
            sessions("100 sessions", 100),
            sessions("10,000 sessions", 10_000),
        ]),
        connections: 1,
        plots: Plots::None,
        ..CALL
    },
    Scenario {
        name: "list-10x50",
        title: "`tools/list` of 10 backends with 50 tools each",
        entrants: Entrants::Lists,
        tools: 50,
        plots: Plots::None,
        ..CALL
    },
    Scenario {
        name: "list-50x100",
        title: "`tools/list` of 50 backends with 100 tools each",
        entrants: Entrants::Lists,
        backends: 50,
        tools: 100,
        plots: Plots::None,
        ..CALL
    },
];

/// The rates of the open loop, as shares of the calls that the plain proxy answers in a closed one.
pub(super) const RATES: [f64; 6] = [0.1, 0.3, 0.5, 0.7, 0.8, 0.9];
/// The open loop: what [`CALL`] does, at [`RATES`].
pub(super) const OPEN: &str = "open";
/// Idle memory, the size of the binary, the time of a start, and memory under load.
pub(super) const MEMORY: &str = "memory";
/// Sessions and GET streams held open.
pub(super) const STREAMS: &str = "streams";

/// What `--only` may name.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    CALLS.iter().map(|scenario| scenario.name).chain([OPEN, MEMORY, STREAMS])
}

/// Which scenario the rates of the open loop are taken from.
pub(super) const fn base_of_open() -> Scenario {
    CALL
}
