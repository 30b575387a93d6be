use std::time::Duration;

use futures_util::future::join_all;

use super::scripted::*;
use super::*;

#[tokio::test]
async fn keys_are_found_by_the_metadata_of_oauth_and_of_openid_connect() {
    let idp = Idp::start(&["a"]).await;
    let gateway = Gateway::start(&idp.config(), RARELY);
    gateway.until_keys(&["a"]).await;
    assert_eq!((idp.asked(METADATA), idp.asked(OPENID), idp.asked(KEYS)), (1, 0, 1));

    let metadata = idp.metadata();
    idp.say(METADATA, |_| crate::outbound::scripted::answer(404, "", ""));
    idp.say_json(OPENID, &metadata);
    let gateway = Gateway::start(&idp.config(), RARELY);
    gateway.until_keys(&["a"]).await;
    assert_eq!((idp.asked(METADATA), idp.asked(OPENID)), (2, 1));
}

#[tokio::test]
async fn whoever_asks_for_new_keys_before_the_first_answer_waits_for_that() {
    let idp = Idp::start(&["a"]).await;
    let gateway = Gateway::start(&idp.config(), RARELY);
    assert!(gateway.server.keys().is_err());
    assert!(are(&gateway.server.renewed_keys().await.unwrap(), &["a"]));
}

#[tokio::test]
async fn a_jwks_url_needs_no_metadata() {
    let idp = Idp::start(&["a"]).await;
    let url = format!("{}{KEYS}", idp.issuer()).parse().unwrap();
    let gateway = Gateway::start(&Issuer { jwks_url: Some(url), ..idp.config() }, RARELY);
    gateway.until_keys(&["a"]).await;
    assert_eq!(idp.asked(METADATA), 0);
}

#[tokio::test]
async fn keys_are_refreshed_in_the_background_and_a_dropped_one_is_a_revocation() {
    let idp = Idp::start(&["a"]).await;
    let gateway = Gateway::start(&idp.config(), OFTEN);
    gateway.until_keys(&["a"]).await;
    idp.publish(&["a", "b"]);
    gateway.until_keys(&["a", "b"]).await;
    let mut revocations = gateway.server.revocations();
    assert_eq!(*revocations.borrow(), 0, "a new key takes nothing away");
    idp.publish(&["b"]);
    gateway.until_keys(&["b"]).await;
    portcullis_test_support::within("the revocation", revocations.changed()).await.unwrap();
    assert_eq!(*revocations.borrow(), 1);
}

#[tokio::test]
async fn a_hundred_tokens_with_a_new_key_ask_for_it_once() {
    let idp = Idp::start(&["a"]).await;
    let gateway = Gateway::start(&idp.config(), RARELY);
    gateway.until_keys(&["a"]).await;
    idp.publish(&["a", "b"]);
    let answers = join_all((0..100).map(|_| gateway.server.renewed_keys())).await;
    assert!(answers.iter().all(|keys| are(keys.as_ref().unwrap(), &["a", "b"])));
    assert_eq!((idp.asked(KEYS), idp.asked(METADATA)), (2, 1));
}

#[tokio::test]
async fn garbage_does_not_make_the_gateway_ask_more_often_than_the_cool_down_allows() {
    let idp = Idp::start(&["a"]).await;
    let gateway = Gateway::start(&idp.config(), RARELY);
    gateway.until_keys(&["a"]).await;
    assert!(are(&gateway.server.renewed_keys().await.unwrap(), &["a"]));
    for _ in 0..200 {
        let Unavailable { retry_after } = gateway.server.renewed_keys().await.unwrap_err();
        assert!(
            retry_after > Duration::from_mins(59),
            "longer than anybody waits: {retry_after:?}"
        );
    }
    assert_eq!(idp.asked(KEYS), 2);
}

#[tokio::test]
async fn a_new_key_is_found_however_much_garbage_came_before_it() {
    let idp = Idp::start(&["a"]).await;
    let cool_down = Duration::from_millis(200);
    let gateway = Gateway::start(&idp.config(), Jwks { cool_down, ..RARELY });
    gateway.until_keys(&["a"]).await;
    assert!(are(&gateway.server.renewed_keys().await.unwrap(), &["a"]));
    let garbage = gateway.server.renewed_keys();
    idp.publish(&["a", "b"]);
    let (garbage, renewed) = tokio::join!(garbage, gateway.server.renewed_keys());
    assert!(are(&renewed.unwrap(), &["a", "b"]));
    assert!(garbage.is_ok());
    assert_eq!(idp.asked(KEYS), 3, "both have waited for one answer");
}

#[tokio::test]
async fn only_so_many_wait_for_the_cool_down() {
    let idp = Idp::start(&["a"]).await;
    let cool_down = Duration::from_millis(200);
    let gateway = Gateway::start(&idp.config(), Jwks { cool_down, ..RARELY });
    gateway.until_keys(&["a"]).await;
    gateway.server.renewed_keys().await.unwrap();
    let answers = join_all((0..MAX_WAITING + 10).map(|_| gateway.server.renewed_keys())).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), 10);
    assert_eq!(idp.asked(KEYS), 3);
}

#[tokio::test]
async fn whoever_waits_may_be_on_another_runtime() {
    let idp = Idp::start(&["a"]).await;
    let gateway = Gateway::start(&idp.config(), RARELY);
    gateway.until_keys(&["a"]).await;
    idp.publish(&["b"]);
    let renewed = gateway.server.renewed_keys();
    let worker = tokio::task::spawn_blocking(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(renewed)
    });
    assert!(are(&worker.await.unwrap().unwrap(), &["b"]));
}

#[tokio::test(start_paused = true)]
async fn a_file_is_read_again_when_it_changes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.json");
    std::fs::write(&path, jwks(&["a"]).to_string()).unwrap();
    let config = Issuer { jwks_file: Some(path.clone()), ..config("https://idp.example") };
    let gateway = Gateway::start(&config, RARELY);
    gateway.until_keys(&["a"]).await;
    let begun = Instant::now();
    let next = directory.path().join("next.json");
    std::fs::write(&next, jwks(&["b"]).to_string()).unwrap();
    std::fs::rename(&next, &path).unwrap();
    gateway.until_keys(&["b"]).await;
    assert!(begun.elapsed() <= Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(*gateway.server.revocations().borrow(), 1);
}
