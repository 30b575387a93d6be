//! Children that break the rules, or break.

use super::*;

#[tokio::test]
async fn a_child_killed_in_mid_call_ends_every_call_with_its_last_words() {
    let script = "next; next; echo 'out of luck' >&2; kill -9 $$";
    let mut opened = open(script).await;
    let (one, two) = tokio::join!(call(&opened.connection), call(&opened.connection));
    for error in [one.unwrap_err(), two.unwrap_err()] {
        assert_eq!(
            error.to_string(),
            "backend test went away before it answered: its process was killed by signal 9; \
             the end of its standard error: out of luck"
        );
    }
    soon(opened.connection.closed().cancelled()).await;
    assert!(soon(opened.inbox.recv()).await.is_none(), "the inbox is closed");
    let later = call(&opened.connection).await.unwrap_err();
    assert!(matches!(later, Error::ConnectionLost { .. }), "{later}");
}

#[tokio::test]
async fn half_a_line_at_the_end_is_dropped_and_what_came_before_counts() {
    let script = r#"next; next; result 2 '"whole"'; printf '{"jsonrpc":"2.0","id":3,"res'; exit 3"#;
    let opened = open(script).await;
    let ask = || opened.connection.request("m", None, Duration::from_secs(10));
    let (two, three) = tokio::join!(ask(), ask());
    assert_eq!(two.unwrap().result().unwrap(), "\"whole\"");
    let error = three.unwrap_err().to_string();
    assert!(error.ends_with("its process exited with status 3"), "{error}");
}

#[tokio::test]
async fn garbage_between_messages_is_dropped() {
    let script = r#"next; echo 'Listening on stdio'; echo '{"a":1}'; echo; printf '\377\n'
        say '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"?"}}'
        say '{"jsonrpc":"2.0","id":99,"result":{}}'; say '{"jsonrpc":"2.0","id":"2","result":{}}'
        result 2 1; result 2 2; next; result 3 3; next"#;
    let opened = open(script).await;
    for expected in ["1", "3"] {
        let response = opened.connection.request("m", None, Duration::from_secs(10)).await;
        assert_eq!(response.unwrap().result().unwrap(), expected);
    }
}

#[tokio::test]
async fn an_answer_that_is_none_ends_its_call() {
    let script = r#"next; say '{"jsonrpc":"2.0","id":2,"result":1,"error":{}}'; next"#;
    let opened = open(script).await;
    let error = call(&opened.connection).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "backend test gave no valid answer: a response has either a result or an error"
    );
}

#[tokio::test]
async fn a_line_that_is_too_long_ends_the_connection_and_says_so() {
    let script = "next; head -c 5242880 /dev/zero; sleep 1000";
    let config = Arc::new(config_of(stdio(script), Isolation::Shared));
    let (background, patience) = (background(), Duration::from_secs(20));
    let opening =
        super::super::open_with(&config, &background, Capabilities::NONE, patience, 1 << 20);
    let opened = opening.await.unwrap();
    let error = soon(call(&opened.connection)).await.unwrap_err().to_string();
    assert!(error.ends_with("it sent a line of more than 1048576 bytes"), "{error}");
    soon(opened.connection.closed().cancelled()).await;
}

#[tokio::test]
async fn a_child_that_never_reads_holds_up_only_its_own_callers() {
    let mut config = config_of(stdio("exec sleep 1000"), Isolation::Shared);
    config.call_timeout = Duration::from_millis(300);
    let deaf = open_config(config).await.unwrap().connection;
    let healthy = open(ANSWER_ALL).await.connection;
    let big = call_with(&format!(r#"{{"a":"{}"}}"#, "x".repeat(4 << 20)));
    let target = Target::default();
    let calls = || deaf.call(&big, &target);
    let others = async {
        for _ in 0..50 {
            message_of(call(&healthy).await.unwrap());
        }
    };
    let (one, two, three, ()) = tokio::join!(calls(), calls(), calls(), others);
    for outcome in [one, two, three] {
        assert!(matches!(outcome.unwrap_err(), Error::Timeout { .. }));
    }
}

#[tokio::test]
async fn a_child_that_closes_its_output_is_stopped() {
    let opened = open("next; exec >&-; while next; do :; done").await;
    let error = soon(call(&opened.connection)).await.unwrap_err().to_string();
    assert!(error.ends_with("its process exited with status 0"), "{error}");
}
