//! A proxy that knows CONNECT (RFC 9110, 9.3.6) and nothing else: what a network has that lets nothing else through.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// On loopback, for as long as the test runs. It leads to one port of loopback, whatever host it was asked for.
pub struct Tunnel {
    /// Its own port.
    pub port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Tunnel {
    /// # Panics
    /// If no port is free.
    #[must_use]
    pub fn to(target: u16) -> Tunnel {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noting = Arc::clone(&asked);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let noting = Arc::clone(&noting);
                std::thread::spawn(move || serve(client, target, &noting));
            }
        });
        Tunnel { port, asked }
    }

    /// What it was asked for since the last time, as `host:port`.
    ///
    /// # Panics
    /// If a connection's thread did.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().expect("the requests"))
    }
}

/// Both ways until one end is done. Whoever goes away early is nobody's concern.
fn serve(client: TcpStream, target: u16, asked: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let mut request = String::new();
    reader.read_line(&mut request).ok()?;
    let mut line = String::new();
    while reader.read_line(&mut line).ok()? > 2 {
        line.clear();
    }
    let place = request.strip_prefix("CONNECT ")?.split(' ').next()?.to_owned();
    asked.lock().ok()?.push(place);
    let mut client = client;
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").ok();
    };
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
    let (from_server, to_client) = (server.try_clone().ok()?, client);
    let back = std::thread::spawn(move || pass(from_server, to_client));
    pass(reader, server);
    back.join().ok()
}

fn pass(mut from: impl Read, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
