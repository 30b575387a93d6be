//! What a server said that is no MCP, short enough for an error message.

/// How many characters of it are shown.
const SHOWN: usize = 160;
/// How many bytes are looked at.
const READ: usize = 4096;

/// The readable text of a body: without markup, on one line, shortened.
pub(in crate::backends) fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(READ)]);
    let text = if text.trim_start().starts_with('<') { without_markup(&text) } else { text.into() };
    let mut shown = String::new();
    for word in text.split_whitespace() {
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.extend(word.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }));
        if let Some((at, _)) = shown.char_indices().nth(SHOWN) {
            shown.truncate(at);
            shown.push('…');
            break;
        }
    }
    shown
}

/// Text between tags; what is within `style` and `script` is no text.
fn without_markup(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        text.push(' ');
        let skipped = ["style", "script"].into_iter().find(|name| tag.starts_with(name));
        let behind = match skipped {
            Some(name) => tag.split_once(&format!("</{name}")).map_or("", |(_, behind)| behind),
            None => tag,
        };
        rest = behind.split_once('>').map_or("", |(_, behind)| behind);
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_error_page_is_reduced_to_its_words() {
        let page = "<!DOCTYPE html>\n<html><head><style>p { color: red }</style>\n\
            <title>502 Bad Gateway</title></head><body>\n<p>nginx</p></body></html>";
        assert_eq!(excerpt(page.as_bytes()), "502 Bad Gateway nginx");
    }

    proptest! {
        #[test]
        fn whatever_comes_fits_on_a_line(
            text in r"(<|>|/|style|script|\PC|\s|\x00){0,60}",
            garbage in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            for body in [text.as_bytes(), &garbage] {
                let shown = excerpt(body);
                prop_assert!(shown.chars().count() <= SHOWN + 1, "{shown}");
                prop_assert!(!shown.contains(char::is_control), "{shown}");
            }
        }
    }
}
