//! Counts what a server sends, and ends the connection when it is more than one answer can need.
//!
//! The limit of a file bounds its body, and the HTTP library bounds one head. Neither bounds what a hostile server says besides: interim answers
//! (RFC 9110, section 15.2) one behind the other, or chunks of one byte with six bytes around each.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// Besides headers and body: the framing of a body in pieces. What is in the buffer when the allowance ends comes on top.
const FRAMING: u64 = 15 << 10;

/// How many bytes a server may still send until the next request.
#[derive(Debug, Clone, Default)]
pub struct Allowance(Arc<AtomicU64>);

impl Allowance {
    /// For one answer with a body of at most `body` bytes and a head of at most `header` bytes.
    pub fn begin(&self, body: u64, header: usize) {
        let framing = FRAMING.saturating_add(body / 64);
        self.0.store(body.saturating_add(header as u64).saturating_add(framing), Ordering::Relaxed);
    }

    fn take(&self, amount: usize) -> Result<(), ureq::Error> {
        let left = self.0.load(Ordering::Relaxed);
        let rest = left.checked_sub(amount as u64).ok_or(ureq::Error::BodyExceedsLimit(left))?;
        self.0.store(rest, Ordering::Relaxed);
        Ok(())
    }
}

/// Puts a meter on what the connector before it opened.
#[derive(Debug)]
pub struct MeterConnector(pub Allowance);

impl<In: Transport> Connector<In> for MeterConnector {
    type Out = Metered<In>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        // The connection to a proxy came through here already, and everything that comes through it is counted there.
        let allowance = details.config.proxy().is_none().then(|| self.0.clone());
        Ok(chained.map(|inner| Metered { inner, allowance }))
    }
}

/// A connection whose input is counted.
pub struct Metered<T> {
    inner: T,
    allowance: Option<Allowance>,
}

impl<T: Transport> fmt::Debug for Metered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Metered").field(&self.inner).finish()
    }
}

impl<T: Transport> Transport for Metered<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let before = self.inner.buffers().input().len();
        let progress = self.inner.await_input(timeout)?;
        if let Some(allowance) = &self.allowance {
            allowance.take(self.inner.buffers().input().len().saturating_sub(before))?;
        }
        Ok(progress)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

#[cfg(test)]
mod tests {
    use ureq::unversioned::transport::LazyBuffers;

    use super::*;

    /// A server that always has another 1,000 bytes, and a reader that takes each piece at once.
    #[derive(Debug)]
    struct Flood(LazyBuffers);

    impl Transport for Flood {
        fn buffers(&mut self) -> &mut dyn Buffers {
            &mut self.0
        }

        fn transmit_output(&mut self, _: usize, _: NextTimeout) -> Result<(), ureq::Error> {
            Ok(())
        }

        fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
            self.0.input_append_buf()[..1000].fill(b'x');
            self.0.input_appended(1000);
            Ok(true)
        }

        fn is_open(&mut self) -> bool {
            true
        }
    }

    #[test]
    fn an_answer_that_does_not_end_ends_by_its_bytes_whatever_it_says() {
        let allowance = Allowance::default();
        let mut flood = Metered { inner: Flood(LazyBuffers::new(32 << 10, 1)), allowance: Some(allowance.clone()) };
        for (body, pieces) in [(1_000, 32), (100_000, 133)] {
            allowance.begin(body, 16 << 10);
            let mut read = 0;
            let refused = loop {
                match flood.await_input(NextTimeout::default()) {
                    Ok(_) => read += 1,
                    Err(error) => break error,
                }
                flood.buffers().input_consume(1000);
            };
            assert!(matches!(refused, ureq::Error::BodyExceedsLimit(_)), "{refused:?}");
            assert_eq!(read, pieces);
        }
    }
}
