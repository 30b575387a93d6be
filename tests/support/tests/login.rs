//! Logins among the peers, without a gateway: what fails here is not the gateway's fault.

use portcullis_test_support::{
    Backend, Client, Failure, IdentityProvider, Login, Peers, RawClient,
};
use serde_json::json;

const SERVICE: &str = IdentityProvider::SERVICE;

#[tokio::test]
async fn every_client_logs_in_at_a_server_that_guards_itself() {
    let Some(peers) = Peers::installed() else { return };
    let issuer = IdentityProvider::start(&peers).await;
    let server = Backend::ts_v2_guarded(&peers, issuer.url()).await;
    let credentials = Login::Credentials(issuer.url());
    for (client, login) in Client::LOGIN_BY_CODE
        .map(|client| (client, Login::Code))
        .into_iter()
        .chain(Client::LOGIN_BY_CREDENTIALS.map(|client| (client, credentials)))
    {
        let message = json!({"message": "Grüße"});
        let report = client.log_in(&peers, server.url(), "echo", &message, login).await;
        let text = &report["result"]["content"][0]["text"];
        assert_eq!(text, "ts-v2: Grüße", "{client:?} {login:?}: {report:#}");
    }
}

#[tokio::test]
async fn each_algorithm_signs_tokens_that_a_server_takes() {
    let Some(peers) = Peers::installed() else { return };
    for algorithm in IdentityProvider::ALGORITHMS {
        let issuer = IdentityProvider::with(&peers, algorithm).await;
        let server = Backend::ts_v2_guarded(&peers, issuer.url()).await;
        let (url, app) = (server.url(), IdentityProvider::APP);
        let person = issuer.user_token("bob", app, "mcp:read", url).await;
        let later = issuer.refresh(app, &person, url).await;
        assert_ne!(person.access, later.access);
        let service = issuer.token(SERVICE, "mcp:read", url).await;
        for token in [person.access, later.access, service] {
            RawClient::connect_as(&token, url).await;
        }
    }
}

#[tokio::test]
async fn an_issuer_fails_in_every_way_and_comes_back() {
    let Some(peers) = Peers::installed() else { return };
    let issuer = IdentityProvider::start(&peers).await;
    let server = Backend::ts_v2_guarded(&peers, issuer.url()).await;
    for how in [Failure::Busy, Failure::Gone, Failure::Mute] {
        issuer.fail(how).await;
        issuer.rotate(true).await;
        issuer.heal().await;
        let token = issuer.token(SERVICE, "mcp:read", server.url()).await;
        assert_eq!(token.split('.').count(), 3, "{how:?}");
    }
    assert!(issuer.requests().await["/token"] >= 3);
    let opaque = issuer.token(SERVICE, "mcp:read", "").await;
    assert_eq!(opaque.split('.').count(), 1);
}
