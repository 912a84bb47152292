//! What a person at the medium sees: the real `anode-console` on real terminals, with scripts in place of the fetcher, the network and the stick.

mod alone;
mod consoles;
mod conversation;
mod memory;
mod network;
mod person;
mod staged;
mod typed;
