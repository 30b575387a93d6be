//! The lines of a thread that are still to be written.
//!
//! A worker writes them when it has nothing else to do, or when they have become many: so a write,
//! and the lock of standard error that all threads share, is for many calls. What a thread has
//! kept is written when it ends. Only a process that is killed, or that a second signal ends at
//! once, loses it: [`BATCH_BYTES`] and a line for each worker at most.

use std::cell::RefCell;
use std::io::{self, Write};

/// How much a thread keeps while it is busy: some fifty lines.
const BATCH_BYTES: usize = 16 * 1024;

thread_local! {
    static LINES: RefCell<Lines> = const { RefCell::new(Lines::new()) };
}

/// Adds what `write` appends, whole lines, to those of this thread.
pub(super) fn add(write: impl FnOnce(&mut Vec<u8>)) {
    LINES.with_borrow_mut(|lines| {
        write(&mut lines.bytes);
        if lines.are_due() {
            lines.write_to(&mut io::stderr().lock());
        }
    });
}

/// Writes the lines of this thread. Whoever calls this before the thread waits for something, each
/// time, says `before_waiting`: lines can stay here until the next time.
pub(super) fn write(before_waiting: bool) {
    // Whatever comes while lines are added, or after the thread has ended, has none to wait for.
    let _ = LINES.try_with(|lines| {
        if let Ok(mut lines) = lines.try_borrow_mut() {
            lines.may_stay |= before_waiting;
            if !lines.bytes.is_empty() {
                lines.write_to(&mut io::stderr().lock());
            }
        }
    });
}

struct Lines {
    bytes: Vec<u8>,
    /// Somebody writes them before the thread waits. On other threads a line would wait for the
    /// next one.
    may_stay: bool,
}

impl Lines {
    const fn new() -> Self {
        Self { bytes: Vec::new(), may_stay: false }
    }

    fn are_due(&self) -> bool {
        !self.may_stay || self.bytes.len() >= BATCH_BYTES
    }

    /// In one piece under the lock, so that lines of threads do not mix. A log that nobody reads any
    /// more is no reason to fail calls.
    fn write_to(&mut self, log: &mut impl Write) {
        let _ = log.write_all(&self.bytes);
        self.bytes.clear();
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.write_to(&mut io::stderr().lock());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log that takes a few bytes at a time, and what it got.
    #[derive(Default)]
    struct Slow(Vec<u8>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(7);
            self.0.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_stay_where_somebody_writes_them_and_only_until_they_are_many() {
        let mut lines = Lines::new();
        lines.bytes.extend_from_slice(b"one\n");
        assert!(lines.are_due(), "nobody has promised to write it");
        lines.may_stay = true;
        assert!(!lines.are_due());
        lines.bytes.resize(BATCH_BYTES, b'\n');
        assert!(lines.are_due());
        lines.bytes.clear();
    }

    #[test]
    fn lines_are_written_once_in_their_order_however_little_the_log_takes() {
        let (mut lines, mut log) = (Lines::new(), Slow::default());
        lines.bytes.extend_from_slice(b"the first line\nthe second one\n");
        lines.write_to(&mut log);
        lines.bytes.extend_from_slice(b"the third\n");
        lines.write_to(&mut log);
        assert_eq!(log.0, b"the first line\nthe second one\nthe third\n");
        assert!(lines.bytes.is_empty());
    }
}
