//! Where one message on the control socket ends and the next begins.
//!
//! In: bytes in whatever pieces the socket delivers. Out: whole messages without their terminator, in order.
//!
//! Invariant: every byte is looked for a terminator once, and what waits for one is bounded.

use memchr::memmem;

/// What follows every message, in both directions.
pub const TERMINATOR: &[u8] = b"<F2B_END_COMMAND>";

/// The message that asks to close the connection; it is no pickle and gets no answer.
pub const CLOSE: &[u8] = b"<F2B_CLOSE_COMMAND>";

/// How long one message may be. The reference has no limit; the stock configuration with every jail enabled
/// is 285 kB, and a list of a million addresses some 20 MB.
pub const MAX_MESSAGE: usize = 64 << 20;

/// What a framer keeps hold of while it has nothing, in bytes.
const ROOM: usize = 64 * 1024;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A pickle, still to be decoded.
    Message(Vec<u8>),
    /// The peer is done and wants the connection closed.
    Close,
}

/// More than [`MAX_MESSAGE`] bytes came without a terminator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("message is longer than {MAX_MESSAGE} bytes")]
pub struct TooLong;

/// Cuts a stream of bytes into messages.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Where the first message that was not taken out begins.
    start: usize,
    /// Up to where there is certainly no beginning of a terminator; never before `start`.
    scanned: usize,
}

impl Framer {
    /// A framer that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what the socket delivered; then ask [`Framer::frame`] until it has no more.
    ///
    /// # Errors
    ///
    /// [`TooLong`], after which the connection is of no more use.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        // Moving the rest only here keeps many small messages in one piece from being moved each time.
        self.buffer.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        if self.buffer.is_empty() {
            // A long message that is over does not keep its room.
            self.buffer.shrink_to(ROOM);
        }
        if self.buffer.len().saturating_add(bytes.len()) > MAX_MESSAGE.saturating_add(TERMINATOR.len()) {
            return Err(TooLong);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// The next whole message, if there is one.
    pub fn frame(&mut self) -> Option<Frame> {
        let unseen = self.buffer.get(self.scanned..).unwrap_or_default();
        let Some(at) = memmem::find(unseen, TERMINATOR) else {
            // The terminator may have begun at the very end.
            self.scanned = self
                .buffer
                .len()
                .saturating_sub(TERMINATOR.len() - 1)
                .max(self.scanned);
            return None;
        };
        let end = self.scanned + at;
        let message = self.buffer.get(self.start..end).unwrap_or_default().to_vec();
        self.start = end + TERMINATOR.len();
        self.scanned = self.start;
        Some(if message == CLOSE {
            Frame::Close
        } else {
            Frame::Message(message)
        })
    }

    /// How many bytes came and were not taken out.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Whether part of a message is waiting for the rest of it.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.start < self.buffer.len()
    }
}

#[cfg(test)]
mod tests {
    use super::{Frame, Framer, MAX_MESSAGE, TooLong};

    fn frames(framer: &mut Framer) -> Vec<Frame> {
        std::iter::from_fn(|| framer.frame()).collect()
    }

    #[test]
    fn messages_come_out_whole_however_they_arrive() {
        let stream = b"one<F2B_END_COMMAND><F2B_END_COMMAND><F2B_END_<F2B_END_COMMAND>\
            <F2B_CLOSE_COMMAND><F2B_END_COMMAND>rest<F2B_END_COMMAND";
        let expected = [
            Frame::Message(b"one".to_vec()),
            Frame::Message(Vec::new()),
            Frame::Message(b"<F2B_END_".to_vec()),
            Frame::Close,
        ];
        for size in 1..=stream.len() {
            let mut framer = Framer::new();
            let mut found = Vec::new();
            for piece in stream.chunks(size) {
                framer.push(piece).unwrap();
                found.extend(frames(&mut framer));
            }
            assert_eq!(found, expected, "pieces of {size}");
            assert!(framer.is_partial(), "pieces of {size}");
        }
    }

    #[test]
    fn a_message_without_end_is_refused() {
        let mut framer = Framer::new();
        framer.push(&vec![b'x'; MAX_MESSAGE]).unwrap();
        assert_eq!(framer.frame(), None);
        assert_eq!(framer.push(&[b'x'; 32]), Err(TooLong));
    }
}
