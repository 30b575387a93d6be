//! How often something is allocated on the way of a call: by the whole gateway, with every layer, on all of its threads.
//!
//! The gateway runs in this process; its client and its backend are here too and allocate nothing once they are warm.
//! It is one test, as others beside it would be counted.

mod backend;
mod client;

use std::alloc::System;
use std::fs::{self, File};
use std::sync::mpsc;
use std::thread;

use portcullis::app::{self, load::load};
use portcullis::config::Environment;
use portcullis_test_support::{ConfigDir, Forger, Key};
use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use client::Client;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How many calls are counted together: what one of them has left to do is counted with the next.
const CALLS: usize = 50;
/// How often they are: what runs in the background allocates now and then, and not each time.
const BATCHES: usize = 8;
/// What the two backends list.
const FEW: usize = 20;
const MANY: usize = 500;

/// How many events a streamed answer has before its last one.
const EVENTS: usize = 100;

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

#[test]
fn a_call_allocates_as_often_as_we_know_and_no_more() {
    // The gateway writes a line for each of many calls; what a test says goes another way.
    let nowhere = File::create("/dev/null").expect("a device");
    rustix::stdio::dup2_stderr(nowhere).expect("stderr can be another file");
    let config = config();
    let (host, token) = start(&config);
    let client = |path| Client::initialized(&host, path, &token);

    let mut everything = client("/mcp");
    everything.until(LIST, &format!("x_many_tool{}", MANY - 1));
    let call = |name: &str, arguments: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"{name}","arguments":{arguments}}}}}"#
        )
    };
    let arguments = r#"{"message":"hello"}"#;
    let direct = call("x_few_tool7", arguments);
    let by_name =
        call("call_tool", &format!(r#"{{"name":"x_few_tool7","arguments":{arguments}}}"#));
    let streamed = call("x_few_tool7", &format!(r#"{{"events":{EVENTS}}}"#));
    let direct = allocations(&mut everything, &direct);
    let streamed = allocations(&mut everything, &streamed);
    let counts = [
        ("tools/call", direct, 39),
        ("the same by call_tool", allocations(&mut everything, &by_name), 52),
        ("an event of its answer", (streamed - direct + EVENTS / 2) / EVENTS, 7),
        ("tools/list of all", allocations(&mut everything, LIST), 30),
    ];
    for (what, count, known) in counts {
        println!("{what}: {count}");
        assert!(
            count <= known,
            "{what} allocates {count} times, and did {known} times before. `valgrind --tool=dhat` with this program says \
             where. If it is worth that, say why in the commit and write {count} here"
        );
    }

    let (mut few, mut many) = (client("/servers/few/mcp"), client("/servers/many/mcp"));
    few.until(LIST, "tool0");
    many.until(LIST, "tool0");
    let (few, many) = (allocations(&mut few, LIST), allocations(&mut many, LIST));
    assert!(
        many <= few,
        "a list allocates for each tool: {few} times for {FEW}, {many} for {MANY}"
    );
}

/// How often something is allocated for such a request, after some like it.
fn allocations(client: &mut Client, message: &str) -> usize {
    let request = client.request(message);
    let mut batch = || {
        let before = count();
        for _ in 0..CALLS {
            let answer = client.ask(&request);
            assert!(answer.contains("\"result\""), "{answer}");
        }
        count() - before
    };
    batch();
    let fewest = (0..BATCHES).map(|_| batch()).min().expect("some batches");
    (fewest + CALLS / 2) / CALLS
}

fn count() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}

/// That of the load test, with a backend of few tools and one of many.
fn config() -> ConfigDir {
    let backend = backend::start();
    let gateway = json!({});
    ConfigDir::new()
        .config(include_str!("../../loadtest/every-layer/config.yaml"))
        .http("few", &format!("http://{backend}/{FEW}"), &gateway)
        .http("many", &format!("http://{backend}/{MANY}"), &gateway)
}

/// Starts a gateway that ends with this process: where it listens, and a token that it lets in.
fn start(config: &ConfigDir) -> (String, String) {
    let forger = Forger::new();
    let jwks = config.path().join("jwks.json");
    fs::write(&jwks, forger.jwks().to_string()).expect("a file");
    let environment = Environment::default().with("JWKS", jwks.to_str().expect("UTF-8"));
    let loaded = load(Some(config.path()), &environment).expect("a configuration");
    let (said, says) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let say = move |text: &str| said.send(text.to_owned()).unwrap_or_default();
        runtime.block_on(app::serve(loaded, &[], say)).expect("a gateway");
    });
    let addresses = says.recv().expect("it says where it listens");
    let (_, rest) = addresses.split_once("listening on http://").expect("an address");
    let (host, _) = rest.split_once('/').expect("a path");
    let token = forger.token(
        Key::Ec,
        &json!({
            "iss": "https://issuer.loadtest.invalid", "aud": "portcullis-loadtest", "sub": "alice",
            "client_id": "client", "iat": Forger::now(), "exp": Forger::now() + 3600, "jti": "1",
            "scope": "mcp call delete one",
        }),
    );
    (host.to_owned(), token)
}
