//! The client's workflow (TUF specification 1.0, section 5), over two traits and without any I/O of its own.

mod source;

pub use source::{FetchError, Request, Store, Transport};
