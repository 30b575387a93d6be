use proptest::prelude::*;

use super::*;

fn decode(chunks: &[&[u8]]) -> Vec<Event> {
    let mut decoder = Decoder::new(1 << 20);
    let mut events = Vec::new();
    for chunk in chunks {
        decoder.push(chunk);
        while let Some(event) = decoder.next_event().unwrap() {
            events.push(event);
        }
    }
    events
}

fn data(events: &[Event]) -> Vec<Option<&[u8]>> {
    events.iter().map(|event| event.data.as_deref()).collect()
}

#[test]
fn every_end_of_line_ends_a_line_also_across_chunks() {
    for chunks in [
        &[&b"data: a\n\ndata: b\n\n"[..]][..],
        &[b"data: a\r\n\r\ndata: b\r\n\r\n\r\n"],
        &[b"data: a\r\rdata: b\r\r\r"],
        &[b"data: a\r", b"\n\r", b"\ndata: b\n", b"\n"],
        &[b"da", b"ta:a", b"\n", b"\n:comment\n\nda", b"ta:b\n\n"],
    ] {
        assert_eq!(data(&decode(chunks)), [Some(&b"a"[..]), Some(b"b")], "{chunks:?}");
    }
}

#[test]
fn an_event_is_given_as_soon_as_its_last_line_has_ended() {
    for text in ["data: a\n\n", "data: a\r\r", "data: a\r\n\r"] {
        assert_eq!(data(&decode(&[text.as_bytes()])), [Some(&b"a"[..])], "{text:?}");
    }
}

#[test]
fn a_priming_event_has_an_id_and_no_message() {
    let events = decode(&[b"id: 7\nretry: 3000\ndata:\n\nid: 8\n\n"]);
    assert_eq!(events[0].id.as_deref(), Some("7"));
    assert_eq!(events[0].retry, Some(3000));
    assert_eq!(data(&events), [Some(&b""[..]), None]);
}

#[test]
fn an_event_that_is_cut_off_is_not_given() {
    assert!(decode(&[b"data: {\"half\":"]).is_empty());
    assert!(decode(&[b"data: whole line\n"]).is_empty());
}

#[test]
fn an_event_without_end_is_refused_at_the_limit() {
    for chunk in [&b"data: aaaaaaaaaaaaaaaaaaaaaa"[..], b"data: aaaaaa\ndata: bbbbbb\n"] {
        let mut decoder = Decoder::new(10);
        decoder.push(chunk);
        assert_eq!(decoder.next_event(), Err(TooLarge { limit: 10 }));
    }
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_however_it_is_cut(
        text in "[ -~]{0,30}(\n[ -~]{0,30}){0,3}",
        id in proptest::option::of("[a-z0-9-]{1,12}"),
        cut in 0_usize..80,
    ) {
        let bytes = encode(text.as_bytes(), id.as_deref());
        let cut = cut.min(bytes.len());
        let events = decode(&[&bytes[..cut], &bytes[cut..]]);
        prop_assert_eq!(events.len(), 1);
        prop_assert_eq!(events[0].data.as_deref(), Some(text.as_bytes()));
        prop_assert_eq!(&events[0].id, &id);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut decoder = Decoder::new(64);
        decoder.push(&bytes);
        while let Ok(Some(_)) = decoder.next_event() {}
    }
}
