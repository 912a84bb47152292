//! QEMU's monitor (QMP): pictures of the screen, keys, links, the state of the machine.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A connection to it.
pub(crate) struct Monitor {
    stream: BufReader<UnixStream>,
}

impl Monitor {
    /// Waits for the socket of this QEMU. `None` if it does not come: QEMU did not start.
    pub(crate) fn connect(socket: &Path, qemu: &mut Child) -> Option<Monitor> {
        let end = Instant::now() + Duration::from_secs(60);
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(_) if Instant::now() < end && matches!(qemu.try_wait(), Ok(None)) => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(_) => return None,
            }
        };
        stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
        let mut monitor = Monitor { stream: BufReader::new(stream) };
        monitor.read()?;
        monitor.command("qmp_capabilities", json!({})).ok()?;
        Some(monitor)
    }

    /// Runs one command to its end.
    pub(crate) fn command(&mut self, name: &str, arguments: Value) -> Result<Value, String> {
        let line = format!("{}\n", json!({ "execute": name, "arguments": arguments }));
        self.stream.get_mut().write_all(line.as_bytes()).map_err(|error| format!("{name}: {error}"))?;
        loop {
            let mut answer = self.read().ok_or_else(|| format!("{name}: the monitor went away"))?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                return Err(format!("{name}: {error}"));
            }
        }
    }

    /// The next message; events are messages too.
    fn read(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.stream.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }
}
