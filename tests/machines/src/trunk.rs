//! A cable that carries one tagged network and nothing else, in which nobody answers DHCP: the other end of it is a network behind an address translation.
//!
//! It lies between two backends of the same QEMU, so it is there for whatever the machine runs: the neighbour of [`crate::Neighbour`] goes with the medium's
//! kernel.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use crate::hardware::Network;

/// `TPID` of IEEE 802.1Q.
const TAGGED: [u8; 2] = [0x81, 0x00];
/// Where the type of a frame begins, behind two hardware addresses.
const KIND: usize = 12;
/// A frame is shorter; QEMU sends none that is longer.
const LONGEST: usize = 1 << 16;

/// For as long as the machine runs.
pub struct Trunk {
    machine: u16,
    behind: u16,
}

impl Trunk {
    /// Of the network with this number.
    ///
    /// # Panics
    /// If no port is free.
    #[must_use]
    pub fn of(vlan: u16) -> Trunk {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
        let (machine, behind) = (listen(), listen());
        let trunk = Trunk { machine: port(&machine), behind: port(&behind) };
        std::thread::spawn(move || -> io::Result<()> {
            let (machine, behind) = (machine.accept()?.0, behind.accept()?.0);
            let (to_machine, from_behind) = (machine.try_clone()?, behind.try_clone()?);
            std::thread::spawn(move || pass(from_behind, to_machine, |frame| Some(tag(frame, vlan))));
            pass(machine, behind, |frame| untag(frame, vlan).filter(|frame| !asks_by_dhcp(frame)))
        });
        trunk
    }

    /// What the machine's card is plugged into.
    #[must_use]
    pub fn network(&self) -> Network {
        Network::at(format!("socket,connect=127.0.0.1:{}", self.machine))
    }

    /// What QEMU has to be told of the other end.
    #[must_use]
    pub fn behind(&self) -> [String; 8] {
        [
            "-netdev".to_owned(),
            "user,id=behind".to_owned(),
            "-netdev".to_owned(),
            format!("socket,id=trunk,connect=127.0.0.1:{}", self.behind),
            "-netdev".to_owned(),
            "hubport,id=behind-end,hubid=2,netdev=behind".to_owned(),
            "-netdev".to_owned(),
            "hubport,id=trunk-end,hubid=2,netdev=trunk".to_owned(),
        ]
    }
}

/// Frames with their lengths in front of them, until one end is gone.
fn pass(mut from: TcpStream, mut to: TcpStream, change: impl Fn(Vec<u8>) -> Option<Vec<u8>>) -> io::Result<()> {
    loop {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(LONGEST);
        if !(KIND + 2..LONGEST).contains(&length) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut frame = vec![0; length];
        from.read_exact(&mut frame)?;
        if let Some(frame) = change(frame) {
            let length = u32::try_from(frame.len()).unwrap_or(0).to_be_bytes();
            to.write_all(&[&length[..], &frame].concat())?;
        }
    }
}

fn tag(mut frame: Vec<u8>, vlan: u16) -> Vec<u8> {
    let [high, low] = vlan.to_be_bytes();
    let _ = frame.splice(KIND..KIND, [TAGGED[0], TAGGED[1], high, low]);
    frame
}

/// `None`: it belongs to another network, or to none.
fn untag(mut frame: Vec<u8>, vlan: u16) -> Option<Vec<u8>> {
    let is_ours = frame.get(KIND..KIND + 4)? == [&TAGGED[..], &vlan.to_be_bytes()].concat();
    is_ours.then(|| {
        let _ = frame.drain(KIND..KIND + 4);
        frame
    })
}

/// UDP over IPv4 to port 67; its header has no options.
fn asks_by_dhcp(frame: &[u8]) -> bool {
    frame.get(KIND..KIND + 2) == Some(&[8, 0]) && frame.get(23) == Some(&17) && frame.get(36..38) == Some(&[0, 67])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_tagged_network_passes_and_loses_its_tag() {
        let plain: Vec<u8> = (0..60).collect();
        let tagged = tag(plain.clone(), 12);
        assert_eq!((tagged.len(), &tagged[12..16]), (64, &[0x81, 0, 0, 12][..]));
        assert_eq!(untag(tagged.clone(), 12), Some(plain.clone()));
        assert_eq!((untag(tagged, 13), untag(plain, 12)), (None, None));
    }

    #[test]
    fn a_question_of_dhcp_is_told_from_other_frames() {
        let mut frame = vec![0; 60];
        (frame[12], frame[23], frame[37]) = (8, 17, 67);
        assert!(asks_by_dhcp(&frame));
        frame[37] = 53;
        assert!(!asks_by_dhcp(&frame));
    }
}
