//! Words of names and texts, as search compares them.

/// The words of a text in lower case: runs of letters and digits, also split where a capital follows
/// a small letter.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = String> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find(char::is_alphanumeric)?;
        let word = &rest[start..];
        let end = end(word);
        rest = &word[end..];
        Some(word[..end].to_lowercase())
    })
}

/// Where the first word of a text that begins with one ends.
fn end(text: &str) -> usize {
    let mut before = ' ';
    let is_end = |(_, char): &(usize, char)| {
        let is_hump = before.is_lowercase() && char.is_uppercase();
        before = *char;
        is_hump || !char.is_alphanumeric()
    };
    text.char_indices().find(is_end).map_or(text.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_at_what_is_no_letter_and_at_humps() {
        for (text, words) in [
            ("x_git_list_commits", &["x", "git", "list", "commits"][..]),
            ("listPods", &["list", "pods"]),
            ("HTTPServer2Go", &["httpserver2go"]),
            ("Reads a file, e.g. C:\\a-b", &["reads", "a", "file", "e", "g", "c", "a", "b"]),
            ("größeÄndern 漢字", &["größe", "ändern", "漢字"]),
            ("İ", &["i\u{307}"]),
            (" -- ", &[]),
            ("", &[]),
        ] {
            assert_eq!(tokens(text).collect::<Vec<_>>(), words, "{text}");
        }
    }
}
