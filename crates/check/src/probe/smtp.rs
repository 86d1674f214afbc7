//! `SMTP_CHECK`: a greeting, `HELO` and `QUIT` (RFC 5321).
//!
//! Replies of several lines are accepted; the original takes only single ones (docs/divergences.md, "smtp-replies").

use super::Next;
use alloc::format;
use alloc::vec::Vec;
use core::fmt;

/// The longest line of a reply, in bytes. A longer one fails the check: RFC 5321 allows 512.
const LINE: usize = 512;
/// Lines of one reply. More fail the check.
const LINES: u32 = 100;

/// Where the dialogue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Greeting,
    Helo,
    Quit,
    Done,
}

/// Why the check failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The greeting was not 220.
    Greeting,
    /// The reply to `HELO` was not 250.
    Helo,
    /// A reply without end.
    TooLong,
    /// The server closed before it had replied.
    Closed,
}

/// The text of mails and logs; ` server RS` follows in them.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failure::Greeting => "Bad greeting banner from",
            Failure::Helo => "Bad HELO response from",
            Failure::TooLong => "Buffer overflow reading from",
            Failure::Closed => "Read failure from",
        })
    }
}

/// The dialogue.
#[derive(Clone, Debug)]
pub struct Smtp<'c> {
    helo: &'c str,
    state: State,
    line: Vec<u8>,
    lines: u32,
}

impl<'c> Smtp<'c> {
    /// A dialogue that waits for the greeting; `helo` is the name it gives itself.
    pub const fn new(helo: &'c str) -> Smtp<'c> {
        Smtp {
            helo,
            state: State::Greeting,
            line: Vec::new(),
            lines: 0,
        }
    }

    /// Takes bytes of the server.
    ///
    /// # Errors
    /// Why the check failed.
    pub fn received(&mut self, bytes: &[u8]) -> Result<Next, Failure> {
        for &byte in bytes {
            if byte != b'\n' {
                if self.line.len() >= LINE {
                    return Err(Failure::TooLong);
                }
                self.line.push(byte);
                continue;
            }
            let line = core::mem::take(&mut self.line);
            if let Some(next) = self.replied(&line)? {
                // What came with it belongs to no question; a server does not speak before it is asked.
                return Ok(next);
            }
        }
        Ok(Next::Read)
    }

    /// The server closed.
    ///
    /// # Errors
    /// [`Failure::Closed`] unless everything had been said.
    pub fn closed(&self) -> Result<(), Failure> {
        match self.state {
            State::Done => Ok(()),
            State::Greeting | State::Helo | State::Quit => Err(Failure::Closed),
        }
    }

    /// A line of a reply; what to do if it is the last.
    fn replied(&mut self, line: &[u8]) -> Result<Option<Next>, Failure> {
        let reply = Reply::read(line);
        let (wanted, failure) = match self.state {
            State::Greeting => (*b"220", Failure::Greeting),
            State::Helo => (*b"250", Failure::Helo),
            // Any line is good enough for a goodbye.
            State::Quit | State::Done => {
                self.state = State::Done;
                return Ok(Some(Next::Done));
            }
        };
        let last = match reply {
            Some(Reply { code, last }) if code == wanted => last,
            Some(_) | None => return Err(failure),
        };
        self.lines += 1;
        if !last {
            return if self.lines >= LINES {
                Err(Failure::TooLong)
            } else {
                Ok(None)
            };
        }
        self.lines = 0;
        let (state, say) = match self.state {
            State::Greeting => (State::Helo, format!("HELO {}\r\n", self.helo)),
            State::Helo | State::Quit | State::Done => (State::Quit, "QUIT\r\n".into()),
        };
        self.state = state;
        Ok(Some(Next::Send(say.into_bytes())))
    }
}

/// A line of a reply.
struct Reply {
    code: [u8; 3],
    last: bool,
}

impl Reply {
    /// Three digits, then a space or the end (the last line) or `-` (more follow).
    fn read(line: &[u8]) -> Option<Reply> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (&code, rest) = line.split_first_chunk::<3>()?;
        let last = match rest.first() {
            None | Some(b' ') => true,
            Some(b'-') => false,
            Some(_) => return None,
        };
        code.iter().all(u8::is_ascii_digit).then_some(Reply { code, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    /// Feeds what a server says in pieces of `size` bytes; what was sent, and how it ended.
    fn talk(server: &[&str], size: usize) -> (Vec<Vec<u8>>, Result<(), Failure>) {
        let mut smtp = Smtp::new("me");
        let mut sent = Vec::new();
        for said in server {
            for piece in said.as_bytes().chunks(size) {
                match smtp.received(piece) {
                    Ok(Next::Read) => {}
                    Ok(Next::Send(bytes)) => sent.push(bytes),
                    Ok(Next::Done) => return (sent, Ok(())),
                    Err(failure) => return (sent, Err(failure)),
                }
            }
        }
        (sent, smtp.closed())
    }

    #[test]
    fn a_good_server_is_greeted_and_left_in_whatever_pieces_it_speaks() {
        for size in [1, 2, 3, 7, 100] {
            let (sent, end) = talk(&["220 hello\r\n", "250 me\r\n", "221 bye\r\n"], size);
            assert_eq!(end, Ok(()), "{size}");
            assert_eq!(sent, vec![b"HELO me\r\n".to_vec(), b"QUIT\r\n".to_vec()]);
        }
    }

    #[test]
    fn a_reply_may_have_several_lines_and_no_text() {
        let (_, end) = talk(
            &["220-one\r\n220-two\r\n220\r\n", "250-A\r\n250 B\r\n", "whatever\n"],
            5,
        );
        assert_eq!(end, Ok(()));
    }

    #[test]
    fn what_is_wrong_has_a_name() {
        let end = |server: &[&str]| talk(server, 4).1;
        assert_eq!(end(&["554 no\r\n"]), Err(Failure::Greeting));
        assert_eq!(end(&["220x\r\n"]), Err(Failure::Greeting));
        assert_eq!(end(&["22\r\n"]), Err(Failure::Greeting));
        assert_eq!(end(&["\r\n"]), Err(Failure::Greeting));
        assert_eq!(end(&["220-a\r\n250 b\r\n"]), Err(Failure::Greeting));
        assert_eq!(end(&["220 a\r\n", "500 b\r\n"]), Err(Failure::Helo));
        assert_eq!(end(&["220 a"]), Err(Failure::Closed));
        assert_eq!(end(&["220 a\r\n", "250 b\r\n"]), Err(Failure::Closed));
    }

    #[test]
    fn a_server_that_never_ends_a_line_or_a_reply_fails() {
        let endless = "2".repeat(LINE + 1);
        assert_eq!(talk(&[&endless], 64).1, Err(Failure::TooLong));
        let lines = "220-more\r\n".repeat(LINES as usize + 1);
        assert_eq!(talk(&[&lines], 64).1, Err(Failure::TooLong));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_in_bounded_memory(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..700), 0..8)) {
            let mut smtp = Smtp::new("me");
            for piece in pieces {
                if smtp.received(&piece).is_err() {
                    break;
                }
                prop_assert!(smtp.line.len() <= LINE);
            }
        }
    }
}
