//! A port on loopback that nobody else is given, also while its server does not run.
//!
//! A port that was free a moment ago may be another test's by now. So it is bound here for as long as it is needed and never listened on: whoever connects is
//! refused, `bind` to port 0 gives it to nobody, and a server that sets `SO_REUSEADDR`, as nginx and tinyproxy do, listens beside it (socket(7)).

use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, Ipv4Addr, SocketAddrV4, SocketType, bind, getsockname, socket, sockopt};

/// Held until this value goes.
pub struct Port {
    number: u16,
    _held: OwnedFd,
}

impl Port {
    /// A free one.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn new() -> Port {
        let held = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        sockopt::set_socket_reuseaddr(&held, true).expect("an option of sockets");
        bind(&held, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = getsockname(&held).ok().and_then(|address| SocketAddrV4::try_from(address).ok());
        Port { number: address.expect("its own address").port(), _held: held }
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }
}

impl Default for Port {
    fn default() -> Port {
        Port::new()
    }
}
