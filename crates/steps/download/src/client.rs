//! One GET: through the proxy that the environment names, trusting whom the system trusts, along
//! redirections, with an error that a person can act on.
//!
//! ureq's own redirections are not used: it would read their bodies, however long, follow a place
//! that was cut off, take one proxy for all, and an error would not say where it was led. Unaware of
//! files, of ranges' meaning, and of trying again.

use std::env;
use std::io::ErrorKind;
use std::time::Duration;

use anyhow::{Context as _, Error, Result, anyhow, bail};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use ureq::http::{HeaderMap, Response, StatusCode, Uri, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, ProxyProtocol, Timeout};

use crate::failure::Failure;
use crate::limits::DownloadLimits;
use crate::proxy::{Proxies, Proxy};
use crate::url;

/// Redirections in a row that are followed.
const REDIRECTIONS: usize = 10;

/// Asks servers for files.
pub struct Client {
    pub limits: DownloadLimits,
    pub proxies: Proxies,
}

impl Client {
    /// The answer to a GET for a URL, from the byte `first` on if that is not 0. Its status is 200,
    /// 206 or 416. The body comes as it was sent: nothing is decoded.
    ///
    /// # Errors
    /// If there is no such answer; see [`Failure`].
    pub fn get(&self, url: &str, first: u64) -> Result<Response<Body>, Failure> {
        let url = url::parse(url).context("is no URL");
        let mut url = url.map_err(Failure::Place)?;
        for redirections in 0..=REDIRECTIONS {
            let outcome = self.follow(&mut url, first);
            let answer = outcome.map_err(|failure| match redirections {
                0 => failure,
                _ => failure.context(format!("redirected to {}", shown(&url))),
            })?;
            if let Some(answer) = answer {
                return Ok(answer);
            }
        }
        Err(Failure::Place(anyhow!(
            "redirected more than {REDIRECTIONS} times, at last to {}",
            shown(&url)
        )))
    }

    /// One request: the answer, or nothing where it leads on, to what `url` becomes then.
    fn follow(&self, url: &mut Uri, first: u64) -> Result<Option<Response<Body>>, Failure> {
        let proxy = self.proxies.of(url).map_err(Failure::Place)?;
        let answer = self.ask(url, proxy.as_ref(), first);
        let outcome = answer.and_then(|answer| match answer.status().as_u16() {
            301 | 302 | 303 | 307 | 308 => {
                *url = target(url, &answer).map_err(Failure::Place)?;
                Ok(None)
            }
            200 | 206 | 416 => Ok(Some(answer)),
            _ => Err(self.refusal(answer.status(), answer.headers())),
        });
        outcome.map_err(|failure| match &proxy {
            Some(proxy) => failure.context(format!("through {proxy}")),
            None => failure,
        })
    }

    fn ask(&self, url: &Uri, proxy: Option<&Proxy>, first: u64) -> Result<Response<Body>, Failure> {
        let agent = self.agent(url, proxy).map_err(Failure::Place)?;
        let mut request = agent.get(url);
        if first > 0 {
            request = request.header(header::RANGE, format!("bytes={first}-"));
        }
        request.call().map_err(|error| failure(error, &self.limits))
    }

    /// An agent for one request: proxies and certificates depend on the URL.
    fn agent(&self, url: &Uri, proxy: Option<&Proxy>) -> Result<Agent> {
        let DownloadLimits { connect, stall, .. } = self.limits;
        let proxy = proxy.map(|proxy| proxy.settings.clone());
        let is_secure = url.scheme_str() == Some("https")
            || proxy.as_ref().map(ureq::Proxy::protocol) == Some(ProxyProtocol::Https);
        let roots = if is_secure {
            roots()?
        } else {
            RootCerts::WebPki
        };
        let config = Agent::config_builder()
            .user_agent(concat!("fig6/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .http_status_as_error(false)
            .max_redirects(0)
            .max_idle_connections(0)
            .proxy(proxy)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .timeout_resolve(Some(connect))
            .timeout_connect(Some(connect))
            .timeout_recv_response(Some(stall))
            .timeout_per_read(Some(stall))
            .timeout_per_write(Some(stall));
        Ok(config.build().new_agent())
    }

    /// What an answer without a file means: whether trying again may help.
    fn refusal(&self, status: StatusCode, headers: &HeaderMap) -> Failure {
        let error = anyhow!("the server answered {status}");
        if !(status.is_server_error() || [408, 429].contains(&status.as_u16())) {
            return Failure::Place(error);
        }
        let pause = retry_after(headers, Timestamp::now());
        if pause > self.limits.longest_pause {
            let wait = format!("it is to be asked again in {} s", pause.as_secs());
            return Failure::Place(error.context(wait));
        }
        Failure::Transient(error, pause)
    }
}

/// An error of a connection in words, and whether it may pass.
pub fn failure(error: ureq::Error, limits: &DownloadLimits) -> Failure {
    let (connect, stall) = (limits.connect.as_secs_f64(), limits.stall.as_secs_f64());
    let (passes, error) = match error {
        ureq::Error::Timeout(Timeout::Resolve) => {
            (true, anyhow!("its name was not found within {connect} s"))
        }
        ureq::Error::Timeout(Timeout::Connect) => {
            (true, anyhow!("no connection within {connect} s"))
        }
        ureq::Error::Timeout(_) => (true, anyhow!("silence for {stall} s")),
        // What TLS or SOCKS does not accept: it will not be better next time.
        ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
            let hint = match error.to_string().contains("certificate") {
                true => " (SSL_CERT_FILE=<file> trusts one that the system does not know)",
                false => "",
            };
            let text = format!("no connection can be agreed on: {error}{hint}");
            (false, Error::msg(text))
        }
        ureq::Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
            (true, anyhow!("the connection was closed"))
        }
        ureq::Error::Io(error) => (true, Error::new(error)),
        ureq::Error::ConnectionFailed => (true, Error::new(error)),
        ureq::Error::ConnectProxyFailed(reason) => {
            // All that ureq says of an answer is its status, twice.
            let status = reason.strip_prefix("proxy server responded ");
            let status = status.and_then(|it| it.get(..3)?.parse::<StatusCode>().ok());
            let answer = status.map_or(reason, |status| format!("it answered {status}"));
            let passes = !status.is_some_and(|status| status.is_client_error());
            (passes, anyhow!("no tunnel: {answer}"))
        }
        ureq::Error::Protocol(error) => (false, anyhow!("the answer is not HTTP: {error}")),
        error => (false, Error::new(error)),
    };
    match passes {
        true => Failure::transient(error),
        false => Failure::Place(error),
    }
}

/// Where an answer sends us. To another host or scheme is fine, as the digest decides what is
/// accepted; to a file of this machine, or elsewhere than HTTP, is not.
fn target(url: &Uri, answer: &Response<Body>) -> Result<Uri> {
    let status = answer.status();
    let location = answer
        .headers()
        .get(header::LOCATION)
        .with_context(|| format!("the server answered {status} and says no other place"))?;
    url::join(url, location.to_str().unwrap_or_default())
        .with_context(|| format!("the server answered {status} with the place {location:?}"))
}

fn shown(url: &Uri) -> String {
    url::shown(&url.to_string())
}

/// How long a server asks to wait, in seconds or until a date; no time if it does not say.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Duration {
    let wait = headers.get(header::RETRY_AFTER).and_then(|value| {
        let value = value.to_str().ok()?.trim();
        let seconds = value.parse().ok().or_else(|| {
            let until = rfc2822::parse(value).ok()?.timestamp();
            u64::try_from(until.as_second() - now.as_second()).ok()
        })?;
        Some(Duration::from_secs(seconds))
    });
    wait.unwrap_or_default()
}

/// The certificates that the system trusts, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name;
/// Mozilla's, which are compiled in, where the system has none.
fn roots() -> Result<RootCerts> {
    let found = rustls_native_certs::load_native_certs();
    let mut variables = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter();
    match variables.find(|variable| env::var_os(variable).is_some()) {
        _ if !found.certs.is_empty() => {
            let certificates = found.certs.iter();
            let certificates = certificates.map(|it| Certificate::from_der(it).to_owned());
            Ok(certificates.into())
        }
        None => Ok(RootCerts::WebPki),
        Some(variable) => {
            let why = found.errors.first().map(|error| format!(": {error}"));
            let why = why.unwrap_or_default();
            bail!("{variable} names no certificate that can be read{why}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_ask_to_wait_for_seconds_or_until_a_date() {
        let now: Timestamp = "2026-10-21T07:28:00Z".parse().unwrap();
        for (value, seconds) in [
            ("7", 7),
            (" 120 ", 120),
            ("Wed, 21 Oct 2026 07:28:30 GMT", 30),
            ("Wed, 21 Oct 2026 07:27:00 GMT", 0),
            ("soon", 0),
            ("-1", 0),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, value.parse().unwrap());
            let wait = retry_after(&headers, now);
            assert_eq!(wait, Duration::from_secs(seconds), "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), Duration::ZERO);
    }
}
