//! `http:` URLs through an HTTP proxy: the request goes to the proxy, with the URL in full as its
//! target (RFC 9112, 3.2.2). ureq itself knows tunnels only, which many proxies open to port 443
//! alone.
//!
//! Unaware of answers, and of `https:` URLs, which always need a tunnel.

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, NextTimeout, TcpConnector, Transport,
};
use ureq::{Agent, Error};

use crate::url::Url;

/// An agent for one request for an `http:` URL, through this proxy.
pub fn agent(config: Config, url: &Url, proxy: &Url) -> Agent {
    let in_full = InFull {
        origin: format!("http://{}", url.authority()),
    };
    let connector = ().chain(TcpConnector::default()).chain(in_full);
    Agent::with_parts(config, connector, AtProxy(proxy.uri().clone()))
}

/// Finds the proxy, whatever the URL.
#[derive(Debug)]
struct AtProxy(Uri);

impl Resolver for AtProxy {
    fn resolve(
        &self,
        _: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        DefaultResolver::default().resolve(&self.0, config, timeout)
    }
}

/// Completes the target of the first request on a connection.
#[derive(Debug)]
struct InFull {
    /// What the target lacks.
    origin: String,
}

impl<In: Transport> Connector<In> for InFull {
    type Out = Completed<In>;

    fn connect(
        &self,
        _: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Completed<In>>, Error> {
        Ok(chained.map(|connection| Completed {
            connection,
            origin: Some(self.origin.clone()),
        }))
    }
}

#[derive(Debug)]
struct Completed<In> {
    connection: In,
    /// Until it is sent.
    origin: Option<String>,
}

impl<In: Transport> Transport for Completed<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.connection.buffers()
    }

    fn transmit_output(&mut self, mut amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if let Some(origin) = self.origin.take() {
            let output = self.connection.buffers().output();
            // After the method and a space.
            let target = output[..amount].iter().position(|&byte| byte == b' ');
            let (Some(target), true) = (target, amount + origin.len() <= output.len()) else {
                let error = "the request does not fit a proxy";
                return Err(Error::Other(error.into()));
            };
            let after = target + 1 + origin.len();
            output.copy_within(target + 1..amount, after);
            output[target + 1..after].copy_from_slice(origin.as_bytes());
            amount += origin.len();
        }
        self.connection.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.connection.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.connection.is_open()
    }
}
