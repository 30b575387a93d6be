//! Opaque tokens: their issuer says what they are worth, each time anew.

use portcullis_test_support::scenes::{guarded, knock, until_knock_is};
use portcullis_test_support::{ConfigDir, Gateway, IdentityProvider, Peers, until};

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const SERVICE: &str = IdentityProvider::SERVICE;

/// A gateway that asks an issuer about tokens, under a name of its own and with this secret.
async fn gate(issuer: &IdentityProvider, secret: &str) -> (Gateway, ConfigDir) {
    let trusted = "allowPrivateIPJWKS: true";
    let asked = format!("{trusted}, introspection: {{clientId: gateway, clientSecret: {secret}}}");
    let config = guarded(issuer.url(), &[]).replace(trusted, &asked);
    let config = ConfigDir::new().config(&config);
    (Gateway::start(BINARY, config.path()).await, config)
}

#[tokio::test]
async fn a_token_lets_in_as_long_as_its_issuer_says_so() {
    let Some(peers) = Peers::installed() else { return };
    let issuer = IdentityProvider::start(&peers).await;
    let (gateway, _config) = gate(&issuer, "gateway-secret").await;
    let jwt = issuer.token(SERVICE, "mcp:read", gateway.url()).await;
    issuer.opaque().await;
    let token = async |scopes: &str, resource: &str| issuer.token(SERVICE, scopes, resource).await;

    let good = token("mcp:read", gateway.url()).await;
    assert!(!good.contains('.'), "an opaque token");
    until_knock_is(gateway.url(), Some(&good), 200).await;
    let asked = issuer.requests().await["/token/introspection"];
    assert_eq!(knock(gateway.url(), Some(&good)).await.status, 200);
    let again = issuer.requests().await["/token/introspection"];
    assert_eq!(again, asked, "an answer is believed for a while");
    until_knock_is(gateway.url(), Some(&jwt), 200).await;

    let revoked = token("mcp:read", gateway.url()).await;
    issuer.revoke(SERVICE, &revoked).await;
    for (name, token, status, error) in [
        ("revoked", revoked, 401, "invalid_token"),
        ("made up", "nobody-has-made-this".to_owned(), 401, "invalid_token"),
        ("elsewhere", token("mcp:read", "http://127.0.0.1:1/mcp").await, 401, "invalid_token"),
        ("for nobody in particular", token("mcp:read", "").await, 401, "invalid_token"),
        ("another scope", token("mcp:write", gateway.url()).await, 403, "insufficient_scope"),
    ] {
        let refused = knock(gateway.url(), Some(&token)).await;
        assert_eq!(refused.status, status, "{name}: {}", refused.head());
        let challenge = refused.header("www-authenticate").expect("a challenge");
        assert!(challenge.contains(&format!("error=\"{error}\"")), "{name}: {challenge}");
    }
}

#[tokio::test]
async fn a_gateway_that_the_issuer_does_not_know_says_what_to_correct() {
    let Some(peers) = Peers::installed() else { return };
    let issuer = IdentityProvider::start(&peers).await;
    let (gateway, _config) = gate(&issuer, "not-the-secret").await;
    issuer.opaque().await;
    let token = issuer.token(SERVICE, "mcp:read", gateway.url()).await;
    for _ in 0..3 {
        let refused = knock(gateway.url(), Some(&token)).await;
        assert_eq!(refused.status, 503, "{}", refused.head());
        assert!(refused.header("retry-after").is_some(), "{}", refused.head());
        assert_eq!(refused.header("www-authenticate"), None, "{}", refused.head());
    }
    let advice = "it does not accept clientId and clientSecret of introspection; correct them";
    let told = || gateway.process().stderr().iter().filter(|line| line.contains(advice)).count();
    until("the advice", || told() > 0).await;
    let said = gateway.process().output();
    assert_eq!(told(), 1, "once: {said}");
    assert!(said.contains(issuer.url()), "which issuer: {said}");
    assert!(!said.contains("not-the-secret") && !said.contains(&token), "{said}");
}
