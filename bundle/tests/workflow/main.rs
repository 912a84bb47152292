//! The client's workflow against a simulated publisher, network and disk: what it asks for, what it accepts, what it keeps, and how it ends.

mod clock;
mod codes;
mod floor;
mod hostile;
mod mirrors;
mod requests;
mod rollback;
mod roots;
mod simulator;
mod storage;
mod tampering;
