//! Reading and writing streams, with one room for all probes: they run in one thread, and none keeps bytes while it waits.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes read at once.
const ROOM: usize = 16 << 10;

/// Where bytes are read to.
pub(crate) struct Room(RefCell<Box<[u8]>>);

impl Room {
    pub(crate) fn new() -> Room {
        Room(RefCell::new(vec![0; ROOM].into_boxed_slice()))
    }
}

/// What was read.
pub(crate) enum Read<T> {
    /// Bytes, and what was made of them.
    Bytes(T),
    /// The end of the stream.
    End,
}

/// Waits for bytes, and gives them to `taken` at once.
pub(crate) async fn read_with<T>(
    stream: &mut (impl AsyncRead + Unpin),
    room: &Room,
    taken: impl FnOnce(&[u8]) -> T,
) -> io::Result<Read<T>> {
    let mut taken = Some(taken);
    poll_fn(|cx| {
        let mut room = room.0.borrow_mut();
        let mut buffer = ReadBuf::new(&mut room);
        match Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => Poll::Ready(Ok(match (buffer.filled(), taken.take()) {
                ([], _) | (_, None) => Read::End,
                (bytes, Some(taken)) => Read::Bytes(taken(bytes)),
            })),
        }
    })
    .await
}

/// Writes all of it, and what lies between.
pub(crate) async fn write_all(stream: &mut (impl AsyncWrite + Unpin), mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = poll_fn(|cx| Pin::new(&mut *stream).poll_write(cx, bytes)).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(written..).unwrap_or_default();
    }
    poll_fn(|cx| Pin::new(&mut *stream).poll_flush(cx)).await
}
