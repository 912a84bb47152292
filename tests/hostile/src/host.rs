//! Mirrors: small web servers on loopback that serve any tree, log every request, and misbehave where they are told to.

use std::io::{self, BufRead as _, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::answer::{Answer, Connection};
use crate::publisher::Tree;

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// Which mirror was asked.
    pub mirror: String,
    /// For which path, without the leading `/`.
    pub path: String,
    /// The request line.
    pub line: String,
    /// The header lines.
    pub headers: Vec<String>,
    /// How many bytes went out so far.
    pub sent: Arc<AtomicU64>,
}

/// Every request to every mirror of a case, in order.
pub type Log = Arc<Mutex<Vec<Request>>>;

/// What a mirror serves and how.
#[derive(Default)]
struct Conduct {
    tree: Tree,
    down: bool,
    answers: Vec<Answer>,
}

/// A running mirror. It ends with this value.
pub struct Host {
    /// `http://127.0.0.1:<port>` or `https://localhost:<port>`.
    pub url: String,
    port: u16,
    conduct: Arc<Mutex<Conduct>>,
    over: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Host {
    /// Listens on a free port.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn start(name: &str, log: &Log, tls: Option<ServerConfig>) -> Host {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port on loopback");
        let port = listener.local_addr().expect("its own address").port();
        let url = match tls {
            Some(_) => format!("https://localhost:{port}"),
            None => format!("http://127.0.0.1:{port}"),
        };
        let (conduct, over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let serving = Serving {
            name: name.to_owned(),
            conduct: Arc::clone(&conduct),
            log: Arc::clone(log),
            tls: tls.map(Arc::new),
        };
        let ended = Arc::clone(&over);
        let accepting = std::thread::spawn(move || {
            let serving = Arc::new(serving);
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                let serving = Arc::clone(&serving);
                // A client that goes away in the middle is its own business.
                std::thread::spawn(move || drop(serving.converse(stream)));
            }
        });
        Host { url, port, conduct, over, accepting: Some(accepting) }
    }

    /// What it serves from now on.
    ///
    /// # Panics
    /// If a connection panicked.
    pub fn serve(&self, tree: Tree) {
        self.conduct.lock().expect("its conduct").tree = tree;
    }

    /// Whether it closes every connection.
    ///
    /// # Panics
    /// If a connection panicked.
    pub fn set_down(&self, down: bool) {
        self.conduct.lock().expect("its conduct").down = down;
    }

    /// One more way to misbehave; later ones go before earlier ones.
    ///
    /// # Panics
    /// If a connection panicked.
    pub fn answer(&self, answer: Answer) {
        self.conduct.lock().expect("its conduct").answers.insert(0, answer);
    }

    /// Every answer is honest again.
    ///
    /// # Panics
    /// If a connection panicked.
    pub fn be_honest(&self) {
        self.conduct.lock().expect("its conduct").answers.clear();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

struct Serving {
    name: String,
    conduct: Arc<Mutex<Conduct>>,
    log: Log,
    tls: Option<Arc<ServerConfig>>,
}

impl Serving {
    fn converse(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        if self.conduct.lock().expect("its conduct").down {
            return Ok(());
        }
        let mut connection: Box<dyn Connection> = match &self.tls {
            None => Box::new(stream),
            Some(config) => {
                let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
                Box::new(StreamOwned::new(connection, stream))
            }
        };
        while let Some(request) = read_request(&mut *connection, &self.name)? {
            let (answer, file) = self.decide(&request.path);
            let sent = Arc::clone(&request.sent);
            self.log.lock().expect("the log").push(request);
            if !answer.send(&mut *connection, file.as_deref(), &sent)? {
                break;
            }
        }
        connection.flush()
    }

    fn decide(&self, path: &str) -> (Answer, Option<Vec<u8>>) {
        let mut conduct = self.conduct.lock().expect("its conduct");
        let place = conduct.answers.iter().position(|answer| {
            (answer.path.is_empty() || answer.path == "*" || answer.path == path) && answer.times != Some(0)
        });
        let answer = place.map_or_else(Answer::default, |place| {
            let answer = &mut conduct.answers[place];
            answer.times = answer.times.map(|times| times - 1);
            answer.clone()
        });
        let file = conduct.tree.get(answer.file.as_deref().unwrap_or(path)).cloned();
        (answer, file)
    }
}

fn read_request(from: &mut dyn Connection, mirror: &str) -> io::Result<Option<Request>> {
    // Byte by byte: what comes behind belongs to the next request.
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        if from.read(&mut byte)? == 0 || text.len() > 64 << 10 {
            return Ok(None);
        }
        text.extend(byte);
    }
    let mut lines = BufReader::new(&text[..]).lines().collect::<Result<Vec<_>, _>>()?.into_iter();
    let line = lines.next().unwrap_or_default();
    let path = line.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
    let headers = lines.filter(|line| !line.is_empty()).collect();
    Ok(Some(Request { mirror: mirror.to_owned(), path, line, headers, sent: Arc::default() }))
}
