//! A web server of a few lines that says whatever a test wants it to say.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

#[derive(Default)]
struct Log {
    connections: usize,
    heads: Vec<String>,
}

pub struct Server {
    address: SocketAddr,
    log: Arc<Mutex<Log>>,
    scheme: &'static str,
}

impl Server {
    /// Calls `answer` with the path of each request; a connection ends when it returns an error or the client leaves.
    pub fn plain(answer: impl Fn(&str, &mut dyn Write) -> io::Result<()> + Send + Sync + 'static) -> Server {
        Server::start("http", answer, |stream| Ok(Box::new(stream)))
    }

    pub fn tls(
        config: ServerConfig,
        answer: impl Fn(&str, &mut dyn Write) -> io::Result<()> + Send + Sync + 'static,
    ) -> Server {
        let config = Arc::new(config);
        Server::start("https", answer, move |stream| {
            let connection = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
            Ok(Box::new(StreamOwned::new(connection, stream)))
        })
    }

    fn start(
        scheme: &'static str,
        answer: impl Fn(&str, &mut dyn Write) -> io::Result<()> + Send + Sync + 'static,
        wrap: impl Fn(TcpStream) -> io::Result<Box<dyn Stream>> + Send + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Mutex::new(Log::default()));
        let seen = log.clone();
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                seen.lock().unwrap().connections += 1;
                let Ok(mut stream) = wrap(stream) else { continue };
                let (seen, answer) = (seen.clone(), answer.clone());
                std::thread::spawn(move || {
                    while let Ok(head) = read_head(&mut *stream) {
                        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                        seen.lock().unwrap().heads.push(head);
                        let mut out = Watched { stream: &mut stream, last: Vec::new() };
                        if answer(&path, &mut out).and_then(|()| out.flush()).is_err() || out.is_final() {
                            break;
                        }
                    }
                });
            }
        });
        Server { address, log, scheme }
    }

    pub fn base(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn connections(&self) -> usize {
        self.log.lock().unwrap().connections
    }

    pub fn heads(&self) -> Vec<String> {
        self.log.lock().unwrap().heads.clone()
    }

    pub fn requests(&self) -> Vec<String> {
        self.heads().iter().map(|head| head.split(' ').nth(1).unwrap_or_default().to_owned()).collect()
    }
}

trait Stream: Read + Write + Send {}

impl Stream for TcpStream {}
impl Stream for StreamOwned<ServerConnection, TcpStream> {}

/// Remembers what was said, because an answer without a whole head, or with `Connection: close`, is the connection's last.
struct Watched<'a> {
    stream: &'a mut Box<dyn Stream>,
    last: Vec<u8>,
}

impl Watched<'_> {
    fn is_final(&self) -> bool {
        let text = String::from_utf8_lossy(&self.last);
        !text.contains("\r\n\r\n") || text.contains("Connection: close")
    }
}

impl Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.last.len() < 4096 {
            self.last.extend_from_slice(bytes);
        }
        self.stream.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

pub fn read_head(stream: &mut (impl Read + ?Sized)) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
