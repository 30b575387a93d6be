use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Message, Invalid> {
    Message::parse(Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn a_message_is_told_by_the_fields_it_has() {
    for (text, kind) in [
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, Kind::Request),
        (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, Kind::Notification),
        (r#"{"jsonrpc":"2.0","id":"a","result":null}"#, Kind::Response),
        (r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}"#, Kind::Response),
    ] {
        assert_eq!(parse(text).unwrap().kind(), kind, "{text}");
    }
}

#[test]
fn what_is_no_message_is_refused_with_its_reason() {
    for (name, text, reason) in [
        ("two methods", r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#, "duplicate field"),
        (
            "an escaped twin",
            r#"{"jsonrpc":"2.0","id":1,"method":"a","\u006dethod":"b"}"#,
            "duplicate",
        ),
        (
            "a twin in another case",
            r#"{"jsonrpc":"2.0","id":1,"method":"a","Method":"b"}"#,
            "must be written \"method\"",
        ),
        ("two ids", r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"a"}"#, "duplicate field"),
        ("two params", r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{},"params":{}}"#, "dupl"),
        ("no version", r#"{"id":1,"method":"a"}"#, "jsonrpc"),
        (
            "null id",
            r#"{"jsonrpc":"2.0","id":null,"method":"a"}"#,
            "must be a string or an integer",
        ),
        ("fractional id", r#"{"jsonrpc":"2.0","id":1.5,"method":"a"}"#, "string or an integer"),
        ("method is a number", r#"{"jsonrpc":"2.0","id":1,"method":5}"#, "invalid type"),
        ("params is a string", r#"{"jsonrpc":"2.0","id":1,"method":"a","params":"b"}"#, "object"),
        ("result and error", r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#, "either"),
        ("nothing", r"{}", "jsonrpc"),
        ("params is an array", r#"{"jsonrpc":"2.0","id":1,"method":"a","params":[]}"#, "object"),
        ("an array", r"[]", "an array"),
    ] {
        match parse(text) {
            Err(Invalid::Message { reason: said, .. }) => {
                assert!(said.contains(reason), "{name}: {said}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    assert!(matches!(parse("{\"jsonrpc\":"), Err(Invalid::Json(_))));
}

#[test]
fn a_refused_request_is_answered_under_its_id() {
    let error = parse(r#"{"jsonrpc":"2.0","id":"x","method":5}"#).unwrap_err();
    assert!(matches!(error, Invalid::Message { id: Some(id), .. } if id.as_bytes() == b"\"x\""));
}

#[test]
fn an_id_is_replaced_and_the_rest_stays_byte_for_byte() {
    let message =
        parse(r#"{ "method":"ping" , "id" : 7,"extra":[1 , 2],"jsonrpc":"2.0"}"#).unwrap();
    assert_eq!(
        message.with_id(b"\"seven\""),
        r#"{ "method":"ping" , "id" : "seven","extra":[1 , 2],"jsonrpc":"2.0"}"#
    );
}

#[test]
fn nesting_is_counted_outside_of_strings_only() {
    assert!(is_deeper_than(b"[[[1]]]", 2));
    assert!(!is_deeper_than(b"[[[1]]]", 3));
    assert!(!is_deeper_than(br#"["[[[[\"[[[["]"#, 1));
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = is_deeper_than(&bytes, 3);
        let _ = Message::parse(Bytes::from(bytes));
    }

    #[test]
    fn a_replaced_id_can_be_replaced_back(id in "[1-9][0-9]{0,12}", text in "[a-z\"\\\\{}]{0,20}") {
        let original = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": text}).to_string();
        let original = original.replace("\"id\":1", &format!("\"id\":{id}"));
        let there = parse(&original).unwrap().with_id(b"99");
        let back = Message::parse(there).unwrap().with_id(id.as_bytes());
        prop_assert_eq!(back, original);
    }
}
