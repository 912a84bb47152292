//! A distribution's mirror on loopback, over plain HTTP: a folder, and faults that a real web server does not have on demand.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;

/// What goes wrong with a file.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The connection ends after so many bytes of it, each time.
    Cut(usize),
    /// The same, the first time only.
    CutOnce(usize),
    /// This status instead.
    Status(u16),
    /// It is somewhere else.
    Redirect(String),
    /// No answer, and none to anybody else, until it is mended.
    Held,
}

struct Shared {
    root: PathBuf,
    faults: Mutex<BTreeMap<String, Fault>>,
    requests: Mutex<Vec<String>>,
    ends: AtomicBool,
}

/// A mirror; it ends with this value.
pub struct Mirror {
    folder: TempDir,
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Mirror {
    /// An empty one on a free port.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn new() -> Mirror {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared {
            root: folder.path().to_owned(),
            faults: Mutex::default(),
            requests: Mutex::default(),
            ends: AtomicBool::new(false),
        });
        let serving = shared.clone();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.ends.load(Ordering::Relaxed) {
                    return;
                }
                // Who goes away in the middle is a case of its own.
                let _ = stream.and_then(|stream| serving.answer(stream));
            }
        });
        Mirror { folder, address, shared, thread: Some(thread) }
    }

    /// `http://127.0.0.1:<port>`
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Puts a file there.
    ///
    /// # Panics
    /// If it can not be written.
    pub fn put(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder of the mirror");
        fs::write(path, bytes).expect("a file of the mirror");
    }

    /// From now on this goes wrong with it.
    ///
    /// # Panics
    /// If the server died.
    pub fn fault(&self, path: &str, fault: Fault) {
        self.shared.faults.lock().expect("the faults").insert(path.to_owned(), fault);
    }

    /// Nothing goes wrong any more.
    ///
    /// # Panics
    /// If the server died.
    pub fn mend(&self) {
        self.shared.faults.lock().expect("the faults").clear();
    }

    /// The paths that were asked for since the last call, with the range where there was one.
    ///
    /// # Panics
    /// If the server died.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.requests.lock().expect("the requests"))
    }
}

impl Default for Mirror {
    fn default() -> Mirror {
        Mirror::new()
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        let path = first.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
        let mut from = 0;
        for line in lines {
            let line = line?.to_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(range) = line.strip_prefix("range: bytes=") {
                from = range.trim_end_matches('-').parse().unwrap_or(0);
            }
        }
        let asked = if from > 0 { format!("{path} from {from}") } else { path.clone() };
        self.requests.lock().expect("the requests").push(asked);
        let mut fault = self.fault(&path);
        while matches!(fault, Some(Fault::Held)) && !self.ends.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
            fault = self.fault(&path);
        }
        let mut status = |line: &str, more: &str| write!(stream, "HTTP/1.1 {line}\r\nConnection: close\r\n{more}\r\n");
        match fault {
            Some(Fault::Status(code)) => return status(&format!("{code} Fault"), "Content-Length: 0\r\n"),
            Some(Fault::Redirect(to)) => {
                return status("302 Found", &format!("Location: {to}\r\nContent-Length: 0\r\n"));
            }
            _ => {}
        }
        let Ok(bytes) = fs::read(self.root.join(&path)) else {
            return status("404 Not Found", "Content-Length: 0\r\n");
        };
        let tag =
            bytes.iter().fold(bytes.len() as u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        let rest = bytes.get(from..).unwrap_or_default();
        let mut head = format!("ETag: \"{tag:x}\"\r\nContent-Length: {}\r\n", rest.len());
        if from > 0 {
            head.push_str(&format!("Content-Range: bytes {from}-{}/{}\r\n", bytes.len() - 1, bytes.len()));
        }
        status(if from > 0 { "206 Partial Content" } else { "200 OK" }, &head)?;
        match fault {
            Some(Fault::Cut(end) | Fault::CutOnce(end)) => stream.write_all(&rest[..end.min(rest.len())])?,
            _ => stream.write_all(rest)?,
        }
        stream.shutdown(Shutdown::Write)
    }

    fn fault(&self, path: &str) -> Option<Fault> {
        let mut faults = self.faults.lock().expect("the faults");
        let fault = faults.get(path).cloned();
        if matches!(fault, Some(Fault::CutOnce(_))) {
            faults.remove(path);
        }
        fault
    }
}
