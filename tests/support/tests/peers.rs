//! The peers among themselves, without a gateway: what fails here is not the gateway's fault.

use portcullis_test_support::{Backend, Client, Peers, RawClient, member};
use serde_json::json;

#[tokio::test]
async fn the_fixture_passes_the_suite_direct() {
    let Some(peers) = Peers::installed() else { return };
    let fixture = Backend::fixture_http(&peers).await;
    let suite = peers.conformance(fixture.url(), "2025-11-25").await;
    assert!(suite.failures.is_empty(), "{:#?}", suite.failures);
    assert_eq!((suite.passed, suite.scored), (30, 30));
}

#[tokio::test]
async fn every_client_calls_a_tool_direct() {
    let Some(peers) = Peers::installed() else { return };
    let everything = Backend::everything_http(&peers).await;
    for client in Client::ALL {
        let report =
            client.run(&peers, everything.url(), "echo", &json!({"message": "Grüße"})).await;
        assert_eq!(report["ok"], true, "{client:?}: {report:#}");
        assert_eq!(report["result"]["content"][0]["text"], "Echo: Grüße", "{client:?}: {report:#}");
    }
}

#[tokio::test]
async fn a_client_of_each_sdk_calls_each_server_direct() {
    let Some(peers) = Peers::installed() else { return };
    let servers = [
        Backend::ts_v2_http(&peers).await,
        Backend::py_v1_http(&peers).await,
        Backend::py_v2_http(&peers).await,
    ];
    for server in &servers {
        for client in [Client::TsV1, Client::TsV2Auto, Client::PyV1, Client::PyV2] {
            let report = client.run(&peers, server.url(), "add", &json!({"a": 2, "b": 40})).await;
            assert_eq!(
                report["result"]["content"][0]["text"],
                "42",
                "{client:?} at {}: {report:#}",
                server.url()
            );
        }
    }
}

#[tokio::test]
async fn two_conversations_have_the_same_transcript() {
    let Some(peers) = Peers::installed() else { return };
    let everything = Backend::everything_http(&peers).await;
    let first = peers.conversation(everything.url(), &[]).await;
    let second = peers.conversation(everything.url(), &[]).await;
    assert_eq!(first, second);
    let first = peers.python_conversation(everything.url(), "").await;
    let second = peers.python_conversation(everything.url(), "").await;
    assert_eq!(first, second);
}

#[tokio::test]
async fn the_raw_client_sees_streams_requests_and_replays() {
    let Some(peers) = Peers::installed() else { return };
    let fixture = Backend::fixture_http(&peers).await;
    let client = RawClient::connect(fixture.url(), &json!({"sampling": {}})).await;

    let params = json!({"name": "test_sampling", "arguments": {"prompt": "why"}});
    let mut exchange = client.start("tools/call", &params).await;
    let request = exchange.message().await.expect("a request for sampling");
    assert_eq!(member(&request, "method"), Some(r#""sampling/createMessage""#));
    let content = json!({"type": "text", "text": "because"});
    client.answer(&request, &json!({"role": "assistant", "model": "m", "content": content})).await;
    assert!(exchange.response_message().await.contains("LLM response: because"));

    // This tool ends its stream after the priming event; the answer waits for whoever comes back for it.
    let mut cut =
        client.start("tools/call", &json!({"name": "test_reconnection", "arguments": {}})).await;
    let priming = cut.response.event().await.expect("a priming event");
    assert_eq!((priming.message(), cut.message().await), (None, None));
    let mut rest = client.resume(priming.id.as_deref().expect("an event id")).await;
    let answer = rest.event().await.expect("the answer");
    assert!(
        answer.message().is_some_and(|message| message.contains("completed successfully")),
        "{answer:?}"
    );

    let gone = client
        .request("POST")
        .header("Content-Type", "application/json")
        .body(r#"{"jsonrpc":"2.0","id":9,"method":"ping"}"#);
    assert_eq!(client.close().await, 200);
    assert_eq!(gone.send().await.status, 404);
}

#[test]
fn promtool_finds_fault_with_a_bad_page_only() {
    let Some(peers) = Peers::installed() else { return };
    let good = "# HELP calls_total Calls.\n# TYPE calls_total counter\ncalls_total 1\n";
    assert_eq!(peers.check_metrics(good), "");
    let findings = peers.check_metrics("# TYPE calls counter\ncalls 1\n");
    assert!(findings.contains("_total"), "{findings}");
}

#[tokio::test]
async fn a_misbehaving_server_misbehaves_as_it_should() {
    let Some(peers) = Peers::installed() else { return };
    let server = Backend::misbehave_http(&peers, &[("PRIMING", "1")]).await;
    let client = RawClient::connect(server.url(), &json!({})).await;
    let mut exchange =
        client.start("tools/call", &json!({"name": "unknown_id", "arguments": {}})).await;
    assert_eq!(exchange.messages().await.len(), 1, "the answer to nobody comes first");
    assert!(
        exchange.message().await.is_some_and(|message| message.contains("after an unknown id"))
    );

    let mut cut = client.start("tools/call", &json!({"name": "cut", "arguments": {}})).await;
    let priming = cut.response.event().await.expect("a priming event");
    assert_eq!(cut.message().await, None);
    let mut rest = client.resume(priming.id.as_deref().expect("an event id")).await;
    let events = [rest.event().await, rest.event().await];
    assert!(
        events
            .iter()
            .flatten()
            .any(|event| event.data.as_ref().is_some_and(|data| data.contains("fetched later")))
    );

    let page =
        client.start("tools/call", &json!({"name": "html", "arguments": {"status": 502}})).await;
    assert_eq!(
        (page.response.status, page.response.header("content-type")),
        (502, Some("text/html"))
    );

    client.call_tool("forget", &json!({})).await;
    assert_eq!(client.start("ping", &json!({})).await.response.status, 404);
}
