//! `genhash`: the digest of a page, for the `digest` of a check. Options, output and exit codes are upstream's.

use crate::http;
use crate::stream::Room;
use crate::tls;
use check::config::{ClientTls, Connection, DIGEST_LEN, Http, HttpVersion, Sni, Source, StatusCodes, Url};
use check::probe::http::Search;
use lexopt::{Arg, Parser};
use std::ffi::OsString;
use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

/// Seconds a page may take where nothing is said.
const TIMEOUT: u64 = 5;
/// It ended, well or not.
const ENDED: u8 = 0;
/// The command line is wrong.
const WRONG: u8 = 1;

/// Runs the utility; `words` are those of the command line, the name of the program first. Gives the exit code.
pub fn run(words: impl IntoIterator<Item = OsString>) -> u8 {
    let mut words = words.into_iter().peekable();
    let name = words.next().unwrap_or_default().to_string_lossy().into_owned();
    let name = name.rsplit('/').next().unwrap_or_default().to_owned();
    let as_option = words.next_if(|word| word == "--genhash" || word == "-T").is_some();
    let wanted = match read(Parser::from_args(words)) {
        Ok(wanted) => wanted,
        Err(complaint) => {
            let program = if as_option { format!("{name} --genhash") } else { name };
            eprint!("{complaint}{}", usage(&program));
            return WRONG;
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let printed = runtime.and_then(|runtime| runtime.block_on(wanted.hash()));
    if let Err(error) = printed {
        eprintln!("{name}: {error}");
        return WRONG;
    }
    ENDED
}

/// What is asked for.
struct Wanted {
    http: Http,
    verbose: bool,
}

/// What the options say so far.
struct Options {
    server: Option<IpAddr>,
    port: Option<u16>,
    path: Option<String>,
    host: Option<String>,
    version: HttpVersion,
    mark: u32,
    timeout: u64,
    tls: bool,
    sni: bool,
    verbose: bool,
}

/// The letters of the long options.
const LONG: [(&str, char); 11] = [
    ("use-ssl", 'S'),
    ("use-sni", 'I'),
    ("server", 's'),
    ("port", 'p'),
    ("url", 'u'),
    ("use-virtualhost", 'V'),
    ("verbose", 'v'),
    ("help", 'h'),
    ("fwmark", 'm'),
    ("protocol", 'P'),
    ("timeout", 't'),
];

/// Understands the command line. What is wrong is a line, or nothing where the usage says enough.
fn read(mut parser: Parser) -> Result<Wanted, String> {
    let mut options = Options {
        server: None,
        port: None,
        path: None,
        host: None,
        version: HttpVersion::V10,
        mark: 0,
        timeout: TIMEOUT,
        tls: false,
        sni: false,
        verbose: false,
    };
    let mut unexpected = String::new();
    while let Some(argument) = parser.next().map_err(|_| String::new())? {
        let letter = match argument {
            Arg::Short(letter) => letter,
            Arg::Long(long) => {
                let known = LONG.into_iter().find(|(name, _)| *name == long);
                known.ok_or_else(|| format!("Unknown option --{long}\n"))?.1
            }
            Arg::Value(word) => {
                unexpected.push(' ');
                unexpected.push_str(&word.to_string_lossy());
                continue;
            }
        };
        options.take(letter, &mut parser)?;
    }
    if !unexpected.is_empty() {
        return Err(format!("Unexpected argument(s):{unexpected}\n"));
    }
    options.finish().ok_or_else(String::new)
}

impl Options {
    fn take(&mut self, letter: char, parser: &mut Parser) -> Result<(), String> {
        let mut value = || match parser.value() {
            Ok(word) => Ok(word.to_string_lossy().into_owned()),
            Err(_) => Err(String::new()),
        };
        match letter {
            'S' => self.tls = true,
            'I' => self.sni = true,
            'v' => self.verbose = true,
            'h' => return Err(String::new()),
            's' => self.server = Some(address(&value()?)?),
            'p' => {
                let port = number(&value()?, "port number", 1, u32::from(u16::MAX))?;
                self.port = u16::try_from(port).ok();
            }
            'u' => self.path = Some(value()?),
            'V' => self.host = Some(value()?),
            'P' => self.version = protocol(&value()?)?,
            'm' => self.mark = number(&value()?, "fwmark", 0, u32::MAX)?,
            't' => self.timeout = u64::from(number(&value()?, "timeout", 0, u32::MAX)?),
            other => return Err(format!("Unknown option -{other}\n")),
        }
        Ok(())
    }

    /// `None`: something is missing.
    fn finish(self) -> Option<Wanted> {
        let mark = self.mark;
        let connection = Connection {
            address: self.server?,
            port: self.port?,
            timeout: Duration::from_secs(self.timeout),
            from: (mark != 0).then(|| {
                Box::new(Source {
                    mark,
                    ..Source::default()
                })
            }),
        };
        // A hash is asked for whatever the server says.
        let mut status = StatusCodes::default();
        status.allow(StatusCodes::MIN, StatusCodes::MAX);
        let name = self.host.clone().filter(|_| self.sni);
        let url = Url {
            path: self.path?.into(),
            host: self.host.map(Into::into),
            sni: name.map_or(Sni::Off, |name| Sni::Name(name.into())),
            tls_compliant: false,
            status,
            // It is another one; which, is what is asked.
            digest: Some([0; DIGEST_LEN]),
            regex: None,
        };
        Some(Wanted {
            http: Http {
                connection,
                tls: self.tls,
                version: self.version,
                fast_recovery: false,
                urls: vec![url],
            },
            verbose: self.verbose,
        })
    }
}

fn address(word: &str) -> Result<IpAddr, String> {
    word.parse()
        .map_err(|_| format!("server should be an IP, not {word}\n"))
}

fn number(word: &str, what: &str, min: u32, max: u32) -> Result<u32, String> {
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    let value = word.parse().ok().filter(|value| digits && (min..=max).contains(value));
    value.ok_or_else(|| format!("invalid {what} '{word}'\n"))
}

fn protocol(word: &str) -> Result<HttpVersion, String> {
    match word {
        "1.0" => Ok(HttpVersion::V10),
        "1.0c" | "1.0C" => Ok(HttpVersion::V10Close),
        "1.1" => Ok(HttpVersion::V11),
        _ => Err(format!("invalid HTTP protocol version '{word}'\n")),
    }
}

impl Wanted {
    async fn hash(&self) -> io::Result<()> {
        let began = Instant::now();
        let mut troubles = Vec::new();
        let tls = self
            .http
            .tls
            .then(|| tls::client(&ClientTls::default(), &mut troubles))
            .flatten();
        let mut shown = Shown {
            verbose: self.verbose,
            body: false,
            error: None,
        };
        let room = Room::new();
        let mut outcome = None;
        if let Some(url) = self.http.urls.first() {
            outcome = Some(http::get(&self.http, url, tls.as_ref(), &mut shown, &room, began).await);
        }
        if let Some(error) = shown.error {
            return Err(error);
        }
        let (digest, reason) = outcome.map_or((None, String::new()), |outcome| {
            (outcome.details.digest, outcome.reason)
        });
        let mut out = io::stdout().lock();
        if shown.body {
            writeln!(out)?;
        }
        match digest {
            Some(digest) => {
                let text: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                if self.verbose {
                    writeln!(out, "{}", rule("   HTML hash resulting   "))?;
                    out.write_all(dump(&digest).as_bytes())?;
                    writeln!(out, "{}", rule("HTML hash final resulting"))?;
                }
                writeln!(out, "{text}")?;
            }
            None if reason == NO_DATA => eprintln!("no data received from remote webserver"),
            None => writeln!(out, "{reason}")?,
        }
        if self.verbose {
            let path = self.http.urls.first().map_or("", |url| &url.path);
            writeln!(
                out,
                "\nGlobal response time for [{path}] = {} usecs",
                began.elapsed().as_micros()
            )?;
        }
        out.flush()
    }
}

/// The reason of a page without header.
const NO_DATA: &str = "Read, no data received from";

/// What `--verbose` shows of a page while it comes.
struct Shown {
    verbose: bool,
    /// Some of the body was shown.
    body: bool,
    error: Option<io::Error>,
}

impl Shown {
    fn print(&mut self, text: &[u8]) {
        if self.error.is_none() {
            self.error = io::stdout().lock().write_all(text).err();
        }
    }
}

impl http::Patient for Shown {
    async fn catch_up(&mut self, _: bool) {}
}

impl Search for Shown {
    fn header(&mut self, header: &[u8]) {
        if self.verbose {
            let (raw, ascii) = (rule("   HTTP Header Buffer   "), rule("HTTP Header Ascii Buffer"));
            let text = format!("{raw}\n{}{ascii}\n", dump(header));
            self.print(text.as_bytes());
            self.print(header);
            self.print(b"\n");
        }
    }

    fn feed(&mut self, body: &[u8]) {
        if self.verbose && !body.is_empty() {
            let text = format!("{}\n{}", rule("       HTML Buffer       "), dump(body));
            self.print(text.as_bytes());
            self.body = true;
        }
    }

    fn found(&mut self) -> Option<bool> {
        Some(true)
    }
}

fn rule(title: &str) -> String {
    format!("-----------------------[ {title} ]-----------------------")
}

/// Bytes in hexadecimal and as text, sixteen to a line.
fn dump(bytes: &[u8]) -> String {
    const LINE: usize = 16;
    let mut text = String::new();
    for (number, line) in bytes.chunks(LINE).enumerate() {
        text.push_str(&format!("{:04}  ", number * LINE));
        for at in 0..LINE {
            let byte = line
                .get(at)
                .map_or_else(|| "   ".to_owned(), |byte| format!("{byte:02x} "));
            text.push_str(&byte);
            if at == LINE / 2 - 1 {
                text.push_str("- ");
            }
        }
        text.push_str("  ");
        for at in 0..LINE {
            text.push(match line.get(at) {
                Some(byte @ 0x20..=0x7e) => char::from(*byte),
                Some(_) => '.',
                None => ' ',
            });
        }
        text.push('\n');
    }
    text
}

fn usage(program: &str) -> String {
    let options = [
        ("--use-ssl         -S", "Use SSL connection to remote server."),
        (
            "--use-sni         -I",
            "Use SNI during SSL handshake (uses virtualhost setting; see -V).",
        ),
        ("--server          -s", "Use the specified remote server address."),
        ("--port            -p", "Use the specified remote server port."),
        ("--url             -u", "Use the specified remote server url."),
        ("--use-virtualhost -V", "Use the specified virtualhost in GET query."),
        ("--verbose         -v", "Use verbose mode output."),
        ("--help            -h", "Display this short inlined help screen."),
        ("--fwmark          -m", "Use the specified FW mark."),
        (
            "--protocol        -P",
            "Use the specified HTTP protocol - '1.0', '1.0c', '1.1'.",
        ),
        ("                    ", "  1.0c means 1.0 with 'Connection: close'"),
        ("--timeout         -t", "Timeout in seconds"),
    ];
    let forms = [
        "-s server-address -p port -u url",
        "-S -s server-address -p port -u url",
        "-h",
    ];
    let mut text = format!("Usage: {program} COMMAND [OPTIONS]\nCommands:\n");
    for form in forms {
        text.push_str(&format!("   {form}\n"));
    }
    text.push_str("\nOptions:\nEither long or short options are allowed.\n");
    for (names, meaning) in options {
        text.push_str(&format!("   {names}       {meaning}\n"));
    }
    text
}
