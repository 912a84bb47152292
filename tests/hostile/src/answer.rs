//! How one answer misbehaves: which bytes go out, at which pace, and where they stop.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;

use crate::case::default_mirror;

/// No host sends more than this: a client that would take it has failed long before.
const MOST: u64 = 256 << 20;
/// How an endless answer is sent: so slowly that a client on a busy machine has read a piece before the next one goes out. What went out is then what it
/// took, and not what lies in the system's buffers.
const PIECE: usize = 4 << 10;
const PAUSE: Duration = Duration::from_millis(10);

/// What a mirror does when it is asked for a path. What is not said is honest.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Answer {
    /// Which mirror.
    #[serde(default = "default_mirror")]
    pub mirror: String,
    /// Asked for which path of the tree; `*`: for every one.
    pub path: String,
    /// How many times; later ones are honest.
    pub times: Option<u32>,

    /// The status; 200 if it is not said.
    pub status: Option<u16>,
    /// More header lines.
    pub headers: Vec<String>,
    /// So many further header lines.
    pub header_lines: u32,
    /// The body, instead of the file.
    pub body: Option<String>,
    /// The file of the tree whose bytes are the body.
    pub file: Option<String>,
    /// So many zeros as body.
    pub zeros: Option<usize>,
    /// What `Content-Length` says: a number, or a difference to the truth.
    pub length: Option<String>,
    /// How the length of the body is told.
    pub framing: Framing,
    /// This line is sent so many times before the status line, each with an empty line behind it.
    pub interim: Option<Interim>,
    /// These bytes instead of status line, headers and body.
    pub raw: Option<String>,

    /// What never ends.
    pub endless: Option<Endless>,
    /// Milliseconds before the first byte.
    pub delay_ms: u64,
    /// Milliseconds after each byte of the body.
    pub drip_ms: u64,
    /// The connection ends after so many bytes.
    pub cut: Option<usize>,
    /// After so many bytes nothing comes any more, and the connection stays.
    pub silent: Option<usize>,
}

/// How an answer says where its body ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Framing {
    /// `Content-Length`.
    #[default]
    Length,
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// The connection ends.
    Close,
}

/// Interim answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interim {
    /// The status line.
    pub line: String,
    /// How many.
    pub times: u32,
}

/// What never ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Endless {
    /// The body.
    Body,
    /// The body, in chunks.
    Chunks,
    /// The header lines.
    Headers,
    /// One header line.
    Header,
    /// Interim answers.
    Interim,
}

/// A connection, with TLS or without.
pub(crate) trait Connection: Read + Write {}
impl<T: Read + Write> Connection for T {}

impl Answer {
    /// Sends the answer and counts what went out. False: the connection must end.
    ///
    /// # Errors
    /// When the client went away.
    pub(crate) fn send(&self, to: &mut dyn Connection, file: Option<&[u8]>, sent: &AtomicU64) -> io::Result<bool> {
        std::thread::sleep(Duration::from_millis(self.delay_ms));
        let (head, body) = self.compose(file);
        let head_length = head.len();
        let whole = [head, body].concat();
        let stop = self.cut.or(self.silent).unwrap_or(whole.len()).min(whole.len());
        let mut out = Counted { to, sent };
        if self.drip_ms == 0 {
            out.write_all(&whole[..stop])?;
        } else {
            let quick = stop.min(head_length);
            out.write_all(&whole[..quick])?;
            out.flush()?;
            for byte in &whole[quick..stop] {
                std::thread::sleep(Duration::from_millis(self.drip_ms));
                out.write_all(std::slice::from_ref(byte))?;
                out.flush()?;
            }
        }
        out.flush()?;
        if let Some(endless) = self.endless {
            endless.send(&mut out)?;
        }
        if self.silent.is_some() {
            // Until the client goes away.
            let _ = to.read(&mut [0; 16]);
        }
        Ok(self.is_whole())
    }

    fn is_whole(&self) -> bool {
        self.cut.is_none()
            && self.silent.is_none()
            && self.endless.is_none()
            && self.raw.is_none()
            && self.length.is_none()
            && self.framing != Framing::Close
    }

    /// Status line and headers, and the body as it is sent.
    fn compose(&self, file: Option<&[u8]>) -> (Vec<u8>, Vec<u8>) {
        if let Some(raw) = &self.raw {
            return (raw.clone().into_bytes(), Vec::new());
        }
        let given = self.body.as_ref().map(|body| body.as_bytes().to_vec());
        let given = given.or_else(|| self.zeros.map(|zeros| vec![0; zeros])).or_else(|| file.map(<[u8]>::to_vec));
        let status = self.status.unwrap_or(if given.is_some() { 200 } else { 404 });
        let mut body = given.unwrap_or_else(|| b"there is no such file\n".to_vec());

        let mut head = String::new();
        if let Some(Interim { line, times }) = &self.interim {
            head.push_str(&format!("{line}\r\n\r\n").repeat(*times as usize));
        }
        if self.endless == Some(Endless::Interim) {
            return (head.into_bytes(), Vec::new());
        }
        head.push_str(&format!("HTTP/1.1 {status} Said So\r\n"));
        for line in &self.headers {
            head.push_str(&format!("{line}\r\n"));
        }
        for number in 0..self.header_lines {
            head.push_str(&format!("X-{number}: x\r\n"));
        }
        if matches!(self.endless, Some(Endless::Headers | Endless::Header)) {
            return (head.into_bytes(), Vec::new());
        }
        let chunked = self.framing == Framing::Chunked || self.endless == Some(Endless::Chunks);
        if chunked {
            head.push_str("Transfer-Encoding: chunked\r\n");
        } else if self.framing == Framing::Length && self.endless.is_none() {
            head.push_str(&format!("Content-Length: {}\r\n", self.told_length(body.len())));
        }
        if !self.is_whole() {
            head.push_str("Connection: close\r\n");
        }
        head.push_str("\r\n");
        if self.endless.is_some() {
            body.clear();
        } else if chunked {
            body = [format!("{:x}\r\n", body.len()).into_bytes(), body, b"\r\n0\r\n\r\n".to_vec()].concat();
        }
        (head.into_bytes(), body)
    }

    fn told_length(&self, truth: usize) -> String {
        let Some(told) = &self.length else { return truth.to_string() };
        match (told.strip_prefix('+'), told.strip_prefix('-')) {
            (Some(more), _) => (truth + more.parse::<usize>().expect("a number")).to_string(),
            (_, Some(less)) => truth.saturating_sub(less.parse().expect("a number")).to_string(),
            _ => told.clone(),
        }
    }
}

impl Endless {
    fn send(self, out: &mut Counted<'_>) -> io::Result<()> {
        let piece = match self {
            Endless::Body => vec![b'0'; PIECE],
            Endless::Chunks => [format!("{PIECE:x}\r\n").as_bytes(), &[b'0'; PIECE], b"\r\n"].concat(),
            Endless::Headers => b"X-More: and more\r\n".repeat(PIECE / 18),
            Endless::Header => vec![b'x'; PIECE],
            // Each is looked at for itself: a few at a time.
            Endless::Interim => b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(4),
        };
        if self == Endless::Header {
            out.write_all(b"X-Endless: ")?;
        }
        while out.sent.load(Ordering::Relaxed) < MOST {
            out.write_all(&piece)?;
            out.flush()?;
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}

struct Counted<'a> {
    to: &'a mut dyn Connection,
    sent: &'a AtomicU64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let amount = self.to.write(bytes)?;
        self.sent.fetch_add(amount as u64, Ordering::Relaxed);
        Ok(amount)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
