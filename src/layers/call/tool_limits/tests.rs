use std::path::Path;

use bytes::Bytes;
use tokio::time::advance;

use super::*;
use crate::call::tests::list_tools;
use crate::call::{Principal, Response};
use crate::config::{Environment, Location, Reader, parse_yaml};

fn read(yaml: &str) -> (Vec<ToolLimit>, Vec<String>) {
    let location = Location::file(Path::new("x.yaml"));
    let (documents, _) = parse_yaml(yaml, &location);
    let environment = Environment::default();
    let mut reader = Reader::new(location, Path::new(""), &environment);
    let root = documents.first().map(|document| &document.root);
    let limits = reader.document(root, |fields| fields.sections("toolLimits"));
    let (problems, _) = reader.finish();
    (limits.unwrap_or_default(), problems.iter().map(ToString::to_string).collect())
}

/// Calls tools under some rules.
struct Caller(ToolLimits<()>);

impl Caller {
    fn under(rules: &str) -> Self {
        let (limits, problems) = read(&format!("toolLimits: {rules}"));
        assert_eq!(problems, [""; 0]);
        Self(ToolLimitsLayer::new(&limits).layer(()))
    }

    fn call(&self, who: (u8, &str), backend: &str, tool: &str) -> Result<Permits, Error> {
        let (session, subject) = who;
        let mut call = list_tools();
        call.client.session = (session > 0).then(|| SessionId::from_bytes([session; 16]));
        call.principal = Arc::new(Principal { subject: subject.into(), ..Principal::anonymous() });
        let exposed = format!("x_{backend}_{tool}");
        self.0.check(&call, &Tool { backend, original: tool, exposed: &exposed })
    }
}

#[test]
fn rules_are_read_with_their_defaults() {
    let (limits, problems) = read("toolLimits: [{perSecond: 2.5}, {tool: 'a*', maxInFlight: 1}]");
    assert_eq!(problems, [""; 0]);
    assert_eq!((limits[0].per, limits[0].rate.unwrap().burst()), (Per::All, 3));
    assert!(limits[0].backend.matches("any") && limits[0].max_in_flight.is_none());
    assert!(limits[1].tool.matches("abc") && !limits[1].tool.matches("b"));
}

#[test]
fn a_rule_that_limits_nothing_or_makes_no_sense_is_refused() {
    for (rule, problem) in [
        ("{tool: x}", "maxInFlight: is missing; set it, or perSecond, or both"),
        ("{burst: 3}", "burst: means nothing without perSecond; set that too"),
        ("{maxInFlight: 0}", "maxInFlight: \"0\" is not a whole number from 1 to 1000000"),
        ("{perSecond: fast}", "perSecond: \"fast\" is not a number from 0.001 to 1000000"),
        ("{perSecond: 1, burst: 0}", "burst: \"0\" is not a whole number from 1 to 1000000"),
        ("{perSecond: 1, per: user}", "per: \"user\" is unknown; use session, principal or all"),
        ("{perSecond: 1, tool: '{a,b}'}", "tool: \"{a,b}\" is not a pattern"),
        ("{perSecond: 1, backend: ''}", "backend: \"\" matches nothing; use * for every name"),
        ("{perSeconds: 1, maxInFlight: 1}", "perSeconds: unknown key; did you mean"),
    ] {
        let (_, problems) = read(&format!("toolLimits: [{rule}]"));
        assert_eq!(problems.len(), 1, "{rule}: {problems:?}");
        assert!(problems[0].contains(&format!("toolLimits[0].{problem}")), "{problems:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_are_counted_together_as_the_rule_says() {
    for (per, first, second, together) in [
        ("session", (1, "ada"), (1, "ada"), true),
        ("session", (1, "ada"), (2, "ada"), false),
        ("session", (0, "ada"), (0, "ada"), true),
        ("session", (0, "ada"), (0, "bob"), false),
        ("session", (0, "ada"), (1, "ada"), false),
        ("session", (0, ""), (0, ""), true),
        ("principal", (1, "ada"), (2, "ada"), true),
        ("principal", (1, "ada"), (1, "bob"), false),
        ("principal", (1, ""), (2, ""), true),
        ("all", (1, "ada"), (2, "bob"), true),
    ] {
        for limit in ["maxInFlight: 1", "perSecond: 1"] {
            let caller = Caller::under(&format!("[{{per: {per}, {limit}}}]"));
            let held = caller.call(first, "b", "t").unwrap();
            let second = caller.call(second, "b", "t");
            assert_eq!(second.is_err(), together, "{per} {limit} {first:?}");
            drop(held);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_tool_backend_rule_and_whose_limit_it_is() {
    let rules = "[{tool: other, maxInFlight: 1}, {per: session, maxInFlight: 1}, \
                 {backend: web, per: principal, perSecond: 0.2, burst: 1}]";
    let caller = Caller::under(rules);
    let held = caller.call((1, "ada"), "pipe", "slow").unwrap();
    let refused = caller.call((1, "ada"), "pipe", "slow").unwrap_err();
    assert_eq!(refused.outcome().as_str(), "limited");
    assert_eq!(
        refused.to_string(),
        "tool x_pipe_slow of backend pipe: toolLimits[1] allows 1 calls at a time for each \
         session; try again in 1 s"
    );
    drop(held);
    drop(caller.call((1, "ada"), "web", "slow").unwrap());
    assert_eq!(
        caller.call((2, "ada"), "web", "slow").unwrap_err().to_string(),
        "tool x_web_slow of backend web: toolLimits[2] allows 0.2 per second (burst 1) for each \
         caller; try again in 5 s"
    );
    drop(caller.call((0, ""), "web", "slow").unwrap());
    let refused = caller.call((0, ""), "web", "slow").unwrap_err().to_string();
    assert!(refused.contains("for all anonymous callers together"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_one_rule_refuses_costs_nothing_with_the_others() {
    let caller = Caller::under(
        "[{perSecond: 0.01, burst: 2}, {maxInFlight: 2}, {tool: full, maxInFlight: 1}]",
    );
    let held = caller.call((1, ""), "b", "full").unwrap();
    for _ in 0..10 {
        let refused = caller.call((1, ""), "b", "full").unwrap_err().to_string();
        assert!(refused.contains("toolLimits[2]"), "{refused}");
    }
    let other = caller.call((1, ""), "b", "other").unwrap();
    assert!(caller.call((1, ""), "b", "other").unwrap_err().to_string().contains("toolLimits[0]"));
    drop((held, other));
    advance(Duration::from_secs(100)).await;
    assert!(caller.call((1, ""), "b", "full").is_ok(), "the permits are there again");
}

#[tokio::test(start_paused = true)]
async fn what_no_rule_is_for_is_not_limited() {
    let caller = Caller::under("[{backend: pipe, tool: 'delete_*', perSecond: 0.001, burst: 1}]");
    for (backend, tool) in [("pipe", "read"), ("web", "delete_x"), ("pipe", "undelete_x")] {
        for _ in 0..100 {
            assert!(caller.call((1, ""), backend, tool).unwrap().is_empty());
        }
    }
    assert!(caller.call((1, ""), "pipe", "delete_a").is_ok());
    assert!(caller.call((1, ""), "pipe", "delete_b").is_err(), "a rule counts all its tools");
}

#[tokio::test]
async fn a_reply_holds_the_permits_until_it_ends() {
    let caller = Caller::under("[{maxInFlight: 1}]");
    let call = || caller.call((1, ""), "b", "t");
    let permits = call().unwrap();
    let reply = Reply::message(Response::ok(Bytes::from_static(b"{}")));
    let reply = ResponseFuture { inner: ready(Ok::<_, Error>(reply)), permits }.await.unwrap();
    assert!(call().is_err(), "the future is over and the reply is not");
    drop(reply.into_body());
    let permits = call().unwrap();
    let failed = ResponseFuture { inner: ready(Err::<Reply, _>(Error::Cancelled)), permits };
    assert!(failed.await.is_err());
    assert!(call().is_ok());
}
