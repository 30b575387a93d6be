//! Standard error of a child: into the log, and its end kept for error texts.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::io::AsyncRead;
use tokio_util::codec::FramedRead;

use super::lines::{Lines, Overlong};

/// How much of a line is kept together.
const MAX_LINE_BYTES: usize = 4 << 10;
/// How many lines are kept.
const KEPT_LINES: usize = 20;
/// How much is kept of each, in characters.
const KEPT_CHARS: usize = 500;
/// How much of them stands in an error text, in bytes.
const TOLD_BYTES: usize = 2 << 10;

/// The last lines of a child's standard error.
#[derive(Clone, Debug, Default)]
pub(super) struct LastLines(Arc<Mutex<VecDeque<String>>>);

impl LastLines {
    fn push(&self, line: &str) {
        let mut lines = self.0.lock();
        if lines.len() == KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back(line.chars().take(KEPT_CHARS).collect());
    }

    /// The end of it, for an error text; `None` if the child wrote nothing.
    pub(super) fn told(&self) -> Option<String> {
        let lines = self.0.lock();
        let mut bytes = 0;
        let fitting = lines.iter().rev().take_while(|line| {
            bytes += line.len() + 3;
            bytes <= TOLD_BYTES
        });
        let mut told: Vec<&str> = fitting.map(String::as_str).collect();
        told.reverse();
        (!told.is_empty()).then(|| told.join(" | "))
    }
}

/// Logs line by line until standard error is closed.
pub(super) async fn drain(stderr: impl AsyncRead + Unpin, backend: Arc<str>, last: LastLines) {
    let mut lines = FramedRead::new(stderr, Lines::new(MAX_LINE_BYTES, Overlong::IsCut));
    while let Some(Ok(line)) = lines.next().await {
        let text = printable(&line);
        if !text.is_empty() {
            tracing::info!(%backend, "{text}");
            last.push(&text);
        }
    }
}

/// The text without colours and other control characters: it is a stranger's, and goes to
/// terminals and clients.
fn printable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\u{1b}' if chars.next_if_eq(&'[').is_some() => {
                // A control sequence ends with its first letter (ECMA-48 §5.4).
                while chars.next_if(|next| !next.is_ascii_alphabetic()).is_some() {}
                chars.next();
            }
            '\t' => out.push(' '),
            _ if char.is_control() => {}
            _ => out.push(char),
        }
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_control_characters_are_left_out() {
        assert_eq!(printable(b"\x1b[1;31merror\x1b[0m:\tno\x07 \xff \r"), "error: no \u{fffd}");
    }

    #[tokio::test]
    async fn the_last_lines_are_kept_and_long_ones_are_cut() {
        let mut input: Vec<u8> = (0..50).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        input.extend_from_slice(b"half a line");
        let last = LastLines::default();
        drain(&input[..], "test".into(), last.clone()).await;
        let told = last.told().unwrap();
        assert!(told.starts_with("line 31 | line 32 |"), "{told}");
        assert!(told.ends_with("line 49 | half a line"), "{told}");

        let endless = vec![b'x'; 3 * MAX_LINE_BYTES];
        let last = LastLines::default();
        drain(&endless[..], "test".into(), last.clone()).await;
        assert_eq!(last.0.lock().len(), 3);
        assert!(last.told().unwrap().len() <= TOLD_BYTES);
    }
}
