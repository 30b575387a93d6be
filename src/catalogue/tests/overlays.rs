//! Clients with connections of their own.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_client_that_can_do_more_sees_and_calls_more() {
    let context = context();
    let backend = Backend::with_tools(&["plain", "ask"]);
    let none = Some(Capabilities::NONE);
    backend.offer_to(none, Kind::Tool, &["plain", "only-without"]);
    let handle = backend.handle(http_config("web", Isolation::Shared), &context);
    let gate = Gate::over(vec![handle], &context);
    let (able, unable) = (view(None, Capabilities::ALL), anybody());
    assert_eq!(gate.tools(&able).await, ["x_web_plain", "x_web_ask"]);
    assert_eq!(backend.connections().len(), 1, "the supervisor's list serves");
    assert_eq!(gate.tools(&unable).await, ["x_web_plain", "x_web_only-without"]);
    let own = Endpoint::Server("web".into());
    assert_eq!(gate.names_at(&own, Kind::Tool, &unable).await, ["plain", "only-without"]);
    assert_eq!(backend.connections().len(), 2, "opened once");
    assert!(gate.tool("x_web_only-without", &unable).is_some());
    assert!(gate.tool("x_web_only-without", &able).is_none());
}

#[tokio::test(start_paused = true)]
async fn connections_that_offer_the_same_share_one_face() {
    let context = context();
    let backend = Backend::with_tools(&["a"]);
    let handle = backend.handle(config("s", Isolation::Session), &context);
    let gate = Gate::over(vec![handle], &context);
    let none = Capabilities::NONE;
    let views = [view(Some(ONE), none), view(Some(TWO), Capabilities::ROOTS)];
    for view in &views {
        assert_eq!(gate.tools(view).await, ["x_s_a"]);
        let face = gate.catalogue.face(&AGGREGATE, view).unwrap();
        assert!(Arc::ptr_eq(&face, &gate.catalogue.snapshot()));
    }
    assert_eq!(backend.connections().len(), 3);
    let handle = gate.registry.get("s").unwrap();
    let own = handle.pool().get(Key::of_client(handle.config(), Some(ONE), none).unwrap());
    let snapshot = handle.state().offer().unwrap().clone();
    assert!(Arc::ptr_eq(&snapshot, &own.unwrap().offer().unwrap()), "held once");
}

#[tokio::test(start_paused = true)]
async fn a_late_connection_is_waited_for_once_and_announced_to_its_session() {
    let context = context();
    let backend = Backend::with_tools(&["a"]);
    backend.offer_to(Some(Capabilities::ROOTS), Kind::Tool, &["a", "mine"]);
    let handle = backend.handle(config("s", Isolation::Session), &context);
    let gate = Gate::over(vec![handle], &context);
    gate.registry.ready().await;
    settle().await;
    let mut changes = gate.catalogue.changes();
    backend.hold_opening();

    let mine = view(Some(ONE), Capabilities::ROOTS);
    let before = Instant::now();
    assert_eq!(gate.tools(&mine).await, ["x_s_a"], "as others see it");
    assert_eq!(gate.tools(&mine).await, ["x_s_a"]);
    assert_eq!(before.elapsed(), Config::default().first_list_wait, "waited once");

    backend.let_open(1);
    let change = changes.recv().await.unwrap();
    assert_eq!(change.audience, Audience::Session(ONE));
    assert!(change.concerns(&AGGREGATE, &mine));
    assert!(change.concerns(&Endpoint::Server("s".into()), &mine));
    assert!(!change.concerns(&Endpoint::Server("other".into()), &mine));
    assert!(!change.concerns(&AGGREGATE, &view(Some(TWO), Capabilities::ROOTS)));
    assert_eq!(gate.tools(&mine).await, ["x_s_a", "x_s_mine"]);
    assert!(gate.tool("x_s_mine", &mine).is_some());
    assert!(gate.tool("x_s_mine", &view(Some(TWO), Capabilities::ROOTS)).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_change_on_a_sessions_own_connection_reaches_that_session_only() {
    let context = context();
    let backend = Backend::with_tools(&["a"]);
    let handle = backend.handle(config("s", Isolation::Session), &context);
    let gate = Gate::over(vec![handle], &context);
    let mine = view(Some(ONE), Capabilities::ROOTS);
    gate.tools(&mine).await;
    settle().await;
    let mut changes = gate.catalogue.changes();

    backend.offer_to(Some(Capabilities::ROOTS), Kind::Prompt, &["p"]);
    backend.offer_to(Some(Capabilities::ROOTS), Kind::Tool, &["a"]);
    backend.connections()[1].notification("notifications/prompts/list_changed");
    let change = changes.recv().await.unwrap();
    assert_eq!(change.audience, Audience::Session(ONE));
    let due: Vec<_> = change.kinds.notifications().collect();
    assert_eq!(due, ["notifications/prompts/list_changed"]);

    // The session ends, and so does what it alone could see.
    gate.registry.evict_session(ONE);
    assert!(gate.catalogue.resolve_prompt(&AGGREGATE, "x_s_p", &mine).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_failing_connection_costs_a_list_nothing() {
    let context = context();
    let backend = Backend::with_tools(&["a"]);
    let handle = backend.handle(http_config("web", Isolation::Shared), &context);
    let gate = Gate::over(vec![handle], &context);
    gate.registry.ready().await;
    backend.refuse(Some(crate::backends::OpenError::Status { status: 503 }));
    let before = Instant::now();
    assert_eq!(gate.tools(&anybody()).await, ["x_web_a"]);
    assert_eq!(before.elapsed(), Duration::ZERO);
}
