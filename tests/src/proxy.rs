//! A proxy for networks that let nothing else out: tinyproxy, which opens tunnels to the ports that it was given, as squid does to 443 alone, and passes
//! requests without TLS on by itself.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Stdio};

use tempfile::TempDir;

use crate::port::Port;
use crate::program::Program;
use crate::wait_for;

/// It ends with this value.
pub struct Proxy {
    child: Child,
    folder: TempDir,
    /// Where it listens.
    pub url: String,
    _port: Port,
}

impl Proxy {
    /// On a free port; it opens tunnels to `tunnels` only. `more` goes into its configuration.
    ///
    /// # Panics
    /// If it can not be started.
    #[must_use]
    pub fn start(tunnels: &str, more: &str) -> Proxy {
        let (folder, held) = (tempfile::tempdir().expect("a temporary folder"), Port::new());
        let port = held.number();
        let (log, configuration) = (folder.path().join("log"), folder.path().join("tinyproxy.conf"));
        let text = format!(
            "Listen 127.0.0.1\nPort {port}\nTimeout 60\nMaxClients 20\nLogLevel Connect\nLogFile \"{}\"\n\
             Allow 127.0.0.1\nConnectPort {tunnels}\n{more}\n",
            log.display()
        );
        fs::write(&configuration, text).expect("a configuration");
        let mut command = Program::new("tinyproxy").args(["-d", "-c"]).arg(configuration).into_command();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child =
            command.spawn().unwrap_or_else(|error| panic!("starting tinyproxy: {error}; `ci/test` installs it"));
        let mut proxy = Proxy { child, folder, url: format!("http://127.0.0.1:{port}"), _port: held };
        wait_for("tinyproxy", || {
            assert_eq!(proxy.child.try_wait().expect("waiting for a child"), None, "{}", proxy.log());
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
        });
        proxy
    }

    /// The first lines of what it was asked.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        let log = self.log();
        let lines = log.lines().filter_map(|line| line.split_once("): ").filter(|(head, _)| head.contains("Request")));
        lines.map(|(_, request)| request.to_owned()).collect()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
