//! Writing to the child, as much at once as there is.

use bytes::BytesMut;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::lines::one_line;
use crate::backends::duplex::{Outbox, Outgoing};

/// How much is written at once, if so much is there.
const WRITE_BYTES: usize = 64 << 10;

/// Writes until the outbox is closed or the child's standard input is, which then is closed on our
/// side too.
pub(super) async fn write(outbox: &Outbox, stdin: impl AsyncWrite + Unpin) {
    outbox.closed().run_until_cancelled(write_all(outbox, stdin)).await;
}

async fn write_all(outbox: &Outbox, mut stdin: impl AsyncWrite + Unpin) {
    loop {
        // Messages go on taking up their room until they are written.
        let (buffer, _messages) = next_lines(outbox).await;
        if let Err(error) = stdin.write_all(&buffer).await {
            tracing::debug!(%error, "standard input of a backend is closed");
            return;
        }
    }
}

/// Some messages, each on its line.
async fn next_lines(outbox: &Outbox) -> (BytesMut, Vec<Outgoing>) {
    let (mut lines, mut messages) = (BytesMut::new(), Vec::new());
    let mut next = Some(outbox.next().await);
    while let Some(mut message) = next {
        let line = one_line(std::mem::take(&mut message.bytes));
        lines.reserve(line.len() + 1);
        lines.extend_from_slice(&line);
        lines.extend_from_slice(b"\n");
        messages.push(message);
        next = if lines.len() < WRITE_BYTES { outbox.take() } else { None };
    }
    (lines, messages)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn messages_are_written_in_their_order_each_on_one_line() {
        let outbox = Outbox::new();
        outbox.push(1, Bytes::from_static(b"{\n}")).await.unwrap();
        outbox.offer(Bytes::from_static(b"{\"b\":1}"));
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let mut read = vec![0; 12];
        tokio::select! {
            () = write(&outbox, ours) => panic!("goes on writing"),
            result = theirs.read_exact(&mut read) => result.unwrap(),
        };
        assert_eq!(read, b"{ }\n{\"b\":1}\n");
    }

    #[tokio::test]
    async fn closing_ends_a_write_that_nobody_reads() {
        let outbox = Outbox::new();
        outbox.push(1, Bytes::from(vec![b'x'; 1 << 20])).await.unwrap();
        let (ours, _theirs) = tokio::io::duplex(16);
        let close = async {
            tokio::task::yield_now().await;
            outbox.close();
        };
        tokio::join!(write(&outbox, ours), close);
        assert!(outbox.closed().is_cancelled());
    }
}
