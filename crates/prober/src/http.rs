//! `HTTP_GET` and `SSL_GET`: a page over a connection of its own.

use crate::connect::{self, Attempt, Failure as NoConnection};
use crate::outcome::Outcome;
use crate::stream::{Read, Room, read_with, write_all};
use check::config::{Http, Url};
use check::probe::Next;
use check::probe::http::{self, Failure, Page, Reader, Search};
use std::io::{self, Write};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

/// A search that may have to do more than fits between the bytes of a page.
pub(crate) trait Patient: Search {
    /// Does it, without holding up others. `ended`: the body has.
    async fn catch_up(&mut self, ended: bool);
}

/// How long a page may take.
#[derive(Clone, Copy)]
enum Clock {
    /// Each step as long as this.
    EachStep(Duration),
    /// All of it until then.
    Until(Instant),
}

impl Clock {
    fn next(self) -> Instant {
        match self {
            Clock::EachStep(timeout) => Instant::now() + timeout,
            Clock::Until(deadline) => deadline,
        }
    }
}

/// What is said when something goes wrong below the page.
struct Words {
    /// Before the first byte.
    first_timeout: &'static str,
    read_timeout: &'static str,
    read_error: &'static str,
}

const PLAIN: Words = Words {
    first_timeout: "Timeout WEB read",
    read_timeout: "Timeout HTTP read",
    read_error: "Read error with",
};
const TLS: Words = Words {
    first_timeout: "Timeout SSL read",
    read_timeout: "Timeout SSL read",
    read_error: "SSL read error from",
};

/// Asks for one page.
pub(crate) async fn get(
    http: &Http,
    url: &Url,
    tls: Option<&TlsConnector>,
    search: &mut impl Patient,
    room: &Room,
    began: Instant,
) -> Outcome {
    let deadline = began + http.connection.timeout;
    let request = http::request(http, url);
    let (stream, sent) = match begin(http, &request, deadline).await {
        Ok(begun) => begun,
        Err(NoConnection::Timeout) => return Outcome::bad("Timeout connecting"),
        Err(NoConnection::Refused(error)) => return Outcome::bad("Connection failed").because(error),
        Err(NoConnection::Ours(error)) => return Outcome::unasked("WEB socket bind failed.").because(error),
    };
    let unsent = request.get(sent..).unwrap_or_default();
    let end = if http.tls {
        let Some(tls) = tls else {
            return Outcome::unasked("Cannot initialize SSL context.");
        };
        let name = crate::tls::server_name(&url.sni, http.connection.address);
        let mut stream = match timeout_at(deadline, tls.connect(name, stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                return Outcome::bad("SSL handshake/communication error connecting to").because(error);
            }
            Err(_) => return Outcome::bad("SSL handshake/communication error connecting to").because("timeout"),
        };
        let page = Talk {
            http,
            url,
            room,
            clock: Clock::Until(deadline),
            words: &TLS,
        };
        let end = page.run(&mut stream, unsent, search).await;
        if url.tls_compliant {
            page.goodbye(&mut stream).await;
        }
        end
    } else {
        let mut stream = stream;
        let page = Talk {
            http,
            url,
            room,
            clock: Clock::EachStep(http.connection.timeout),
            words: &PLAIN,
        };
        page.run(&mut stream, unsent, search).await
    };
    let mut outcome = match end {
        Ok(page) => good(&page),
        Err(bad) => bad,
    };
    outcome.details.path = Some(url.path.clone());
    outcome
}

/// Connects, and says how many bytes of the request are sent already: where the connection is there at once nobody has to wait
/// before the request either.
async fn begin(http: &Http, request: &[u8], deadline: Instant) -> Result<(TcpStream, usize), NoConnection> {
    match connect::attempt(&http.connection)? {
        Attempt::Done(mut stream) => {
            // What fails here fails again where it is waited for, and is told there.
            let sent = if http.tls {
                0
            } else {
                stream.write(request).unwrap_or(0)
            };
            let stream = TcpStream::from_std(stream).map_err(NoConnection::Ours)?;
            Ok((stream, sent))
        }
        Attempt::Pending(stream) => Ok((connect::established(stream, deadline).await?, 0)),
    }
}

fn good(page: &Page) -> Outcome {
    let mut outcome = Outcome::good();
    outcome.details.status = Some(page.status);
    outcome.details.length_differs = page.length_differs;
    outcome
}

fn bad(failure: Failure) -> Outcome {
    let mut outcome = Outcome::bad(failure);
    match failure {
        Failure::Status(status) => outcome.details.status = Some(status),
        Failure::Digest(digest) => outcome.details.digest = Some(digest),
        Failure::NoData | Failure::Malformed | Failure::Regex | Failure::TooLong => {}
    }
    outcome
}

/// The dialogue over an open stream.
struct Talk<'a> {
    http: &'a Http,
    url: &'a Url,
    room: &'a Room,
    clock: Clock,
    words: &'a Words,
}

impl Talk<'_> {
    async fn run(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        unsent: &[u8],
        search: &mut impl Patient,
    ) -> Result<Page, Outcome> {
        match timeout_at(self.clock.next(), write_all(stream, unsent)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Outcome::bad("Cannot send get request to").because(error)),
            Err(_) => return Err(Outcome::bad("Timeout WEB write")),
        }
        let mut reader = Reader::new(self.url);
        let mut timeout = self.words.first_timeout;
        loop {
            let step = read_with(stream, self.room, |bytes| reader.received(bytes, search));
            let read = match timeout_at(self.clock.next(), step).await {
                Ok(Ok(read)) => read,
                Ok(Err(error)) if self.is_rude_end(&error) => Read::End,
                Ok(Err(error)) => return Err(Outcome::bad(self.words.read_error).because(error)),
                Err(_) => return Err(Outcome::bad(timeout)),
            };
            timeout = self.words.read_timeout;
            search.catch_up(false).await;
            match read {
                Read::Bytes(Ok(Next::Read | Next::Send(_))) => {}
                // A proper end is part of what is asked for.
                Read::Bytes(Ok(Next::Done)) if self.url.tls_compliant && self.http.tls => {}
                Read::Bytes(Ok(Next::Done)) | Read::End => break,
                Read::Bytes(Err(failure)) => return Err(bad(failure)),
            }
        }
        search.catch_up(true).await;
        reader.closed(search).map_err(bad)
    }

    /// TLS that ends without saying so: what most servers of old did, and fine where nothing else is asked for.
    fn is_rude_end(&self, error: &io::Error) -> bool {
        self.http.tls && !self.url.tls_compliant && error.kind() == io::ErrorKind::UnexpectedEof
    }

    /// Says that TLS ends here. Nobody waits for the answer.
    async fn goodbye(&self, stream: &mut (impl AsyncWrite + Unpin)) {
        let closing = std::future::poll_fn(|cx| std::pin::Pin::new(&mut *stream).poll_shutdown(cx));
        // The page has been judged; a server that is gone already is no news.
        let _ = timeout_at(self.clock.next(), closing).await;
    }
}
