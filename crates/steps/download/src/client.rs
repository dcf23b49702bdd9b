//! One GET: through the proxy that the environment names, trusting whom the system trusts, along
//! redirections, with an error that a person can act on.
//!
//! Unaware of files, of ranges' meaning, and of trying again.

use std::env;
use std::time::Duration;

use anyhow::{Context as _, Error, Result, anyhow, ensure};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use ureq::http::{HeaderMap, StatusCode, header, response};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, Timeout};

use crate::forward;
use crate::proxy::{Proxies, Proxy};
use crate::url::Url;

/// Redirections in a row that are followed.
const REDIRECTIONS: usize = 10;

/// Why a place did not yield the archive, as far as it decides what to try next.
#[derive(Debug)]
pub enum Failure {
    /// The same place may do better, if not before this long.
    Transient(Error, Duration),
    /// This place will not do; another one may.
    Place(Error),
    /// No place will do: the trouble is on this machine (a full disk).
    Here(Error),
}

/// How patient a download is.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For finding the host, and for the connection with all that is agreed on it.
    pub connect: Duration,
    /// For an answer's head, and for silence in its body.
    pub stall: Duration,
    /// Bytes of a body that must have come by the end of each such time: a trickle is a stall.
    pub least: u64,
    /// Attempts in a row that bring the download no further, per place.
    pub attempts: u32,
    /// Pause before the second attempt; doubles with each further one.
    pub pause: Duration,
    /// The longest pause that a server may ask for (`Retry-After`).
    pub longest_pause: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connect: Duration::from_secs(20),
            stall: Duration::from_secs(60),
            least: 60 << 10,
            attempts: 4,
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(120),
        }
    }
}

/// Asks servers for files.
pub struct Client {
    pub limits: Limits,
    proxies: Proxies,
}

/// The head and the unread body of an answer that holds the file or a part of it.
pub struct Answer {
    pub head: response::Parts,
    pub body: Body,
}

impl Failure {
    /// A failure that may pass at any time.
    pub fn transient(error: Error) -> Failure {
        Failure::Transient(error, Duration::ZERO)
    }

    fn context(self, text: String) -> Failure {
        match self {
            Failure::Transient(error, pause) => Failure::Transient(error.context(text), pause),
            Failure::Place(error) => Failure::Place(error.context(text)),
            Failure::Here(error) => Failure::Here(error.context(text)),
        }
    }
}

impl Client {
    /// A client with these limits, which takes these proxies.
    pub fn new(limits: Limits, proxies: Proxies) -> Client {
        Client { limits, proxies }
    }

    /// The answer to a GET for a URL, from the byte `first` on if that is not 0. Its status is 200,
    /// 206 or 416. The body comes as it was sent: nothing is decoded.
    ///
    /// # Errors
    /// If there is no such answer; see [`Failure`].
    pub fn get(&self, url: &str, first: u64) -> Result<Answer, Failure> {
        let mut url = Url::parse(url)
            .context("is no URL")
            .map_err(Failure::Place)?;
        let mut from = String::new();
        for _ in 0..=REDIRECTIONS {
            let redirected = |failure: Failure| match from.as_str() {
                "" => failure,
                place => failure.context(format!("redirected to {place}")),
            };
            let proxy = self.proxies.of(&url);
            let proxy = proxy.map_err(|error| redirected(Failure::Place(error)))?;
            let failed = |failure: Failure| match &proxy {
                Some(proxy) => redirected(failure.context(format!("through {proxy}"))),
                None => redirected(failure),
            };
            let answer = self.ask(&url, proxy.as_ref(), first).map_err(failed)?;
            if !is_redirection(answer.head.status) {
                return self.judge(answer).map_err(failed);
            }
            let next = target(&url, &answer.head).map_err(|error| failed(Failure::Place(error)))?;
            from = next.to_string();
            url = next;
        }
        Err(Failure::Place(anyhow!(
            "redirected more than {REDIRECTIONS} times, at last to {from}"
        )))
    }

    /// One request, redirections not followed.
    fn ask(&self, url: &Url, proxy: Option<&Proxy>, first: u64) -> Result<Answer, Failure> {
        let agent = self.agent(url, proxy).map_err(Failure::Place)?;
        let mut request = agent.get(url.uri());
        let forwarding = proxy.filter(|proxy| proxy.forwards(url));
        if let Some(credentials) = forwarding.and_then(|proxy| proxy.url.credentials()) {
            request = request.header(header::PROXY_AUTHORIZATION, credentials);
        }
        if first > 0 {
            request = request.header(header::RANGE, format!("bytes={first}-"));
        }
        let (head, body) = request
            .call()
            .map_err(|error| self.failure(error))?
            .into_parts();
        Ok(Answer { head, body })
    }

    /// An agent for one request: proxies and certificates depend on the URL.
    fn agent(&self, url: &Url, proxy: Option<&Proxy>) -> Result<Agent> {
        let limits = &self.limits;
        let tunnel = match proxy.filter(|proxy| !proxy.forwards(url)) {
            Some(proxy) => Some(
                ureq::Proxy::new(&proxy.url.uri().to_string())
                    .map_err(|_| anyhow!("{proxy} cannot be used"))?,
            ),
            None => None,
        };
        let secure = url.scheme() == "https" || proxy.is_some_and(|it| it.url.scheme() == "https");
        let roots = if secure { roots()? } else { RootCerts::WebPki };
        let config = Agent::config_builder()
            .user_agent(concat!("fig6/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .http_status_as_error(false)
            .max_redirects(0)
            .max_idle_connections(0)
            .proxy(tunnel)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .timeout_resolve(Some(limits.connect))
            .timeout_connect(Some(limits.connect))
            .timeout_recv_response(Some(limits.stall))
            .timeout_per_read(Some(limits.stall))
            .timeout_per_write(Some(limits.stall))
            .build();
        Ok(match proxy {
            Some(proxy) if proxy.forwards(url) => forward::agent(config, url, &proxy.url),
            _ => config.new_agent(),
        })
    }

    /// Lets an answer with a file pass, and says of any other whether trying again may help.
    fn judge(&self, answer: Answer) -> Result<Answer, Failure> {
        let head = &answer.head;
        let status = head.status;
        if matches!(
            status,
            StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE
        ) {
            return Ok(answer);
        }
        let error = anyhow!("the server answered {status}");
        let again = status.is_server_error()
            || status == StatusCode::REQUEST_TIMEOUT
            || status == StatusCode::TOO_MANY_REQUESTS;
        if !again {
            return Err(Failure::Place(error));
        }
        let pause = retry_after(&head.headers, Timestamp::now());
        if pause > self.limits.longest_pause {
            let wait = format!("it is to be asked again in {} s", pause.as_secs());
            return Err(Failure::Place(error.context(wait)));
        }
        Err(Failure::Transient(error, pause))
    }

    /// Which errors of a connection may pass, in words.
    pub fn failure(&self, error: ureq::Error) -> Failure {
        let Limits { connect, stall, .. } = self.limits;
        let (connect, stall) = (connect.as_secs_f64(), stall.as_secs_f64());
        match error {
            ureq::Error::Timeout(Timeout::Resolve) => {
                Failure::transient(anyhow!("its name was not found within {connect} s"))
            }
            ureq::Error::Timeout(Timeout::Connect) => {
                Failure::transient(anyhow!("no connection within {connect} s"))
            }
            ureq::Error::Timeout(_) => Failure::transient(anyhow!("silence for {stall} s")),
            // What TLS or SOCKS does not accept: it will not be better next time.
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                let hint = match error.to_string().contains("certificate") {
                    true => " (SSL_CERT_FILE=<file> trusts one that the system does not know)",
                    false => "",
                };
                Failure::Place(anyhow!("no connection can be agreed on: {error}{hint}"))
            }
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Failure::transient(anyhow!("the connection was closed"))
            }
            ureq::Error::Io(error) => Failure::transient(Error::new(error)),
            ureq::Error::ConnectionFailed => Failure::transient(Error::new(error)),
            ureq::Error::ConnectProxyFailed(reason) => {
                // All that ureq says of an answer is its status, twice.
                let status = reason
                    .strip_prefix("proxy server responded ")
                    .and_then(|status| status.get(..3)?.parse::<StatusCode>().ok());
                match status {
                    Some(status) if status.is_client_error() => {
                        Failure::Place(anyhow!("no tunnel: it answered {status}"))
                    }
                    Some(status) => Failure::transient(anyhow!("no tunnel: it answered {status}")),
                    None => Failure::transient(anyhow!("no tunnel: {reason}")),
                }
            }
            ureq::Error::Protocol(error) => {
                Failure::Place(anyhow!("the answer is not HTTP: {error}"))
            }
            error => Failure::Place(Error::new(error)),
        }
    }
}

fn is_redirection(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where an answer sends us. To another host or scheme is fine, as the digest decides what is
/// accepted; to a file of this machine, or elsewhere than HTTP, is not.
fn target(url: &Url, head: &response::Parts) -> Result<Url> {
    let status = head.status;
    let location = head
        .headers
        .get(header::LOCATION)
        .with_context(|| format!("the server answered {status} and says no other place"))?;
    let place = location.to_str().unwrap_or_default();
    url.join(place)
        .with_context(|| format!("the server answered {status} with the place {location:?}"))
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
    if !found.certs.is_empty() {
        let certificates = found.certs.iter();
        return Ok(certificates
            .map(|certificate| Certificate::from_der(certificate).to_owned())
            .into());
    }
    for variable in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
        ensure!(
            env::var_os(variable).is_none(),
            "{variable} names no certificate that can be read{}",
            found
                .errors
                .first()
                .map(|error| format!(": {error}"))
                .unwrap_or_default()
        );
    }
    Ok(RootCerts::WebPki)
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
