//! stdio (MCP 2025-11-25, Transports): one client, whose messages are lines of our standard input
//! and which reads ours from standard output.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use memchr::memchr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::duplex::{Duplex, Said, Way};
use super::mcp::{Caller, Inbound, Mcp, Stack, decode};
use crate::backends::stdio::one_line;
use crate::call::{Endpoint, Principal};
use crate::error::Error;
use crate::layers::http::body_limit::BodyError;
use crate::sessions::Outbox;

/// How much is read at once.
const READ_BYTES: usize = 64 << 10;

/// Serves the client until it has left, or says nothing more and all it asked for is done. A line
/// of its input may have `max_line` bytes.
///
/// `has_ended` is cancelled at the end of the input; the end of the output ends everything.
pub async fn serve<S: Stack>(
    mcp: Mcp<S>,
    input: impl AsyncRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
    max_line: usize,
    has_ended: CancellationToken,
) {
    let outbox = Arc::new(Outbox::default());
    let (way, said) = Way::new();
    let duplex = Duplex::new(mcp, Endpoint::Aggregate, Arc::clone(&outbox));
    let hear = async {
        if let Err(error) = hear(input, max_line, way).await {
            tracing::warn!(%error, "standard input cannot be read");
        }
        has_ended.cancel();
        std::future::pending::<()>().await;
    };
    let say = async {
        if let Err(error) = say(&outbox, &mut output).await {
            // Whoever closed its end does not want to read the rest.
            tracing::debug!(%error, "standard output is closed");
            outbox.close();
        }
    };
    tokio::select! {
        ((), ()) = async { tokio::join!(duplex.run(said), say) } => {}
        () = hear => {}
    }
}

/// Reads lines until the end of the input.
async fn hear(mut input: impl AsyncRead + Unpin, max_line: usize, way: Way) -> io::Result<()> {
    let caller =
        Caller { principal: Arc::new(Principal::anonymous()), request_id: None, trace: None };
    let mut lines = Lines::new(max_line);
    let mut is_open = true;
    while is_open {
        lines.buffer.reserve(READ_BYTES);
        is_open = input.read_buf(&mut lines.buffer).await? > 0;
        if !is_open {
            lines.buffer.extend_from_slice(b"\n"); // which the last line may lack
        }
        while let Some(line) = lines.next_line() {
            let bytes = line.as_ref().map_or(0, Bytes::len);
            let Some(what) = read_line(line).transpose() else { continue };
            if way.send(Said { caller: caller.clone(), what, lacking: None }, bytes).await.is_err()
            {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What a line says; an empty one says nothing.
fn read_line(line: Result<Bytes, BodyError>) -> Result<Option<Inbound>, Error> {
    let line = line?;
    if line.trim_ascii().is_empty() { Ok(None) } else { decode(line).map(Some) }
}

/// Writes messages until there are no more.
async fn say(outbox: &Outbox, output: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    while let Some(message) = outbox.next().await {
        let mut line = BytesMut::from(one_line(message));
        line.extend_from_slice(b"\n");
        output.write_all(&line).await?;
        output.flush().await?;
    }
    Ok(())
}

/// Lines of bounded length; of those that are longer, nothing but the fact is kept.
struct Lines {
    buffer: BytesMut,
    /// How far the buffer is known to hold no end of line.
    searched: usize,
    max: usize,
    /// The line that is being read is too long, and what comes of it is thrown away.
    is_skipping: bool,
}

impl Lines {
    fn new(max: usize) -> Self {
        Self { buffer: BytesMut::new(), searched: 0, max, is_skipping: false }
    }

    /// The next line without its end, or that it was too long: said as soon as it is known, once.
    /// `None` until more bytes are in the buffer.
    fn next_line(&mut self) -> Option<Result<Bytes, BodyError>> {
        loop {
            let Some(at) = memchr(b'\n', &self.buffer[self.searched..]) else {
                self.searched = self.buffer.len();
                let is_too_long = self.buffer.len() > self.max;
                if is_too_long || self.is_skipping {
                    self.buffer.clear();
                    self.searched = 0;
                }
                return (is_too_long && !std::mem::replace(&mut self.is_skipping, true))
                    .then(|| self.too_long());
            };
            let line = self.buffer.split_to(self.searched + at + 1).freeze();
            self.searched = 0;
            if std::mem::take(&mut self.is_skipping) {
                continue; // its end, and the error has been told
            }
            let length = line.len() - 1;
            if length > self.max {
                return Some(self.too_long());
            }
            return Some(Ok(line.slice(..length)));
        }
    }

    fn too_long(&self) -> Result<Bytes, BodyError> {
        Err(BodyError::TooLarge { max_bytes: self.max })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What comes of an input in pieces of `step` bytes: a line, or `None` for one that was too long.
    fn read(input: &[u8], step: usize, max: usize) -> Vec<Option<Bytes>> {
        let (mut lines, mut out) = (Lines::new(max), Vec::new());
        for piece in input.chunks(step) {
            lines.buffer.extend_from_slice(piece);
            while let Some(line) = lines.next_line() {
                out.push(line.ok());
            }
        }
        out
    }

    #[test]
    fn a_line_that_is_too_long_costs_no_other_one() {
        let input = b"one\n0123456789\ntwo\r\n\n01234567\n012345678\nhalf";
        for step in [1, 2, 5, 100] {
            let lines = read(input, step, 8);
            let lines: Vec<_> = lines.iter().map(|line| line.as_deref()).collect();
            let wanted: [Option<&[u8]>; 6] =
                [Some(b"one"), None, Some(b"two\r"), Some(b""), Some(b"01234567"), None];
            assert_eq!(lines, wanted, "in steps of {step}");
        }
    }

    #[test]
    fn no_more_than_a_line_is_kept() {
        let mut lines = Lines::new(8);
        for _ in 0..100 {
            lines.buffer.extend_from_slice(b"0123456789");
            lines.next_line();
            assert!(lines.buffer.is_empty());
        }
    }

    proptest! {
        #[test]
        fn lines_survive_being_read_in_any_pieces(
            lines in prop::collection::vec("[^\n]{0,40}", 0..20),
            step in 1_usize..50,
            max in 0_usize..60,
        ) {
            let input = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>();
            let fits = |line: &String| (line.len() <= max).then(|| Bytes::from(line.clone()));
            let wanted: Vec<_> = lines.iter().map(fits).collect();
            prop_assert_eq!(read(input.as_bytes(), step, max), wanted);
        }
    }
}
