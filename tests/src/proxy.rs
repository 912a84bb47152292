//! A proxy for networks that let nothing else out: tinyproxy, which opens tunnels to the ports that it was given, as squid does to 443 alone, and passes
//! requests without TLS on by itself.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Stdio};

use tempfile::TempDir;

use crate::program::Program;
use crate::wait_for;

/// How often another program may take the port that was free a moment ago.
const TRIES: usize = 5;

/// It ends with this value.
pub struct Proxy {
    child: Child,
    folder: TempDir,
    /// Where it listens.
    pub url: String,
}

impl Proxy {
    /// On a free port; it opens tunnels to `tunnels` only. `more` goes into its configuration.
    ///
    /// # Panics
    /// If it can not be started.
    #[must_use]
    pub fn start(tunnels: &str, more: &str) -> Proxy {
        let started = (0..TRIES).find_map(|_| Proxy::try_start(tunnels, more));
        started.unwrap_or_else(|| panic!("tinyproxy ended {TRIES} times instead of listening"))
    }

    /// `None`: it ended, as it does where somebody else took its port.
    fn try_start(tunnels: &str, more: &str) -> Option<Proxy> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = free.local_addr().expect("its address").port();
        drop(free);
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
        let mut proxy = Proxy { child, folder, url: format!("http://127.0.0.1:{port}") };
        let mut is_running = true;
        // Whoever else listens there would answer too: it is ours when it has written down that somebody came.
        wait_for("tinyproxy", || {
            is_running = proxy.child.try_wait().expect("waiting for a child").is_none();
            let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
            !is_running || proxy.log().contains("Connect (")
        });
        is_running.then_some(proxy)
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
