//! Which proxy a URL is fetched through, from the environment variables that curl reads.
//!
//! `http_proxy` serves `http:` URLs and `https_proxy` `https:` URLs; `all_proxy` serves either where
//! its own is not set; `no_proxy` lists hosts that are reached without any. Each is read in lower
//! case first, then in upper case, and counts as not set while empty. Unaware of connections.

use std::env;
use std::fmt;
use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};

use crate::url::Url;

/// Schemes of proxies: those that are spoken HTTP with, and SOCKS.
const SCHEMES: &[&str] = &["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// The proxies that the environment names.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    http: Option<Setting>,
    https: Option<Setting>,
    except: Vec<Exception>,
}

/// A variable with its value, which may be no proxy at all.
#[derive(Clone, Debug)]
struct Setting {
    variable: &'static str,
    value: String,
}

/// A proxy, and the variable that names it. Displayed without user and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    pub url: Url,
    pub variable: &'static str,
}

/// One entry of `no_proxy`: hosts, and a port if it is only about one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Exception {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// A name and all names below it.
    Domain(String),
    /// Addresses that share so many leading bits.
    Network(IpAddr, u32),
}

impl Proxies {
    /// The proxies of this process's environment.
    pub fn from_environment() -> Proxies {
        Proxies::new(&|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// The proxies that these variables name.
    pub fn new(variable: &dyn Fn(&str) -> Option<String>) -> Proxies {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|&name| {
                let value = variable(name)?.trim().to_owned();
                (!value.is_empty()).then_some(Setting {
                    variable: name,
                    value,
                })
            })
        };
        let except = first(&["no_proxy", "NO_PROXY"]).map_or_else(Vec::new, |setting| {
            let entries = setting.value.split([',', ' ', '\t']);
            entries.filter_map(Exception::parse).collect()
        });
        Proxies {
            http: first(&["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]),
            https: first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            except,
        }
    }

    /// The proxy for a URL, if it is not to be fetched directly.
    ///
    /// # Errors
    /// If the variable that would name it does not hold a proxy's URL.
    pub fn of(&self, url: &Url) -> Result<Option<Proxy>> {
        let setting = match url.scheme() {
            "https" => &self.https,
            _ => &self.http,
        };
        match setting {
            Some(setting) if !self.except.iter().any(|entry| entry.covers(url)) => {
                setting.parse().map(Some)
            }
            _ => Ok(None),
        }
    }
}

impl Setting {
    /// The value may hold a password, so errors do not repeat it.
    fn parse(&self) -> Result<Proxy> {
        let variable = self.variable;
        let text = match self.value.contains("://") {
            true => self.value.clone(),
            false => format!("http://{}", self.value),
        };
        let url = Url::parse(&text).with_context(|| {
            format!("{variable} is no proxy's URL (expected http://host:port, or socks5h:)")
        })?;
        ensure!(
            SCHEMES.contains(&url.scheme()),
            "{variable} names a proxy of an unknown kind, {}: (expected one of {})",
            url.scheme(),
            SCHEMES.join(", ")
        );
        Ok(Proxy { url, variable })
    }
}

impl Proxy {
    /// Whether it is asked for this URL in full. It opens a tunnel for any other.
    pub fn forwards(&self, url: &Url) -> bool {
        self.url.scheme() == "http" && url.scheme() == "http"
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host) = (self.url.scheme(), self.url.authority());
        write!(f, "the proxy {scheme}://{host} ({})", self.variable)
    }
}

impl Exception {
    /// `*`, a host or domain, an address or network, each but the first with a port or without;
    /// nothing if it is none of them. As curl has it, a leading dot makes no difference.
    fn parse(text: &str) -> Option<Exception> {
        let text = text.trim().to_ascii_lowercase();
        let whole = |text: &str| {
            let (address, bits) = match text.split_once('/') {
                Some((address, bits)) => (address, Some(bits.parse().ok()?)),
                None => (text, None),
            };
            let bare = address.trim_start_matches('[').trim_end_matches(']');
            let address: IpAddr = bare.parse().ok()?;
            let all = if address.is_ipv4() { 32 } else { 128 };
            Some(Hosts::Network(address, bits.unwrap_or(all)))
        };
        if let Some(hosts) = whole(&text) {
            return Some(Exception { hosts, port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (text.as_str(), None),
        };
        let hosts = match host {
            "*" => Hosts::All,
            _ => whole(host).or_else(|| {
                let name = host.strip_prefix('*').unwrap_or(host);
                let name = name.trim_matches('.');
                (!name.is_empty()).then(|| Hosts::Domain(name.to_owned()))
            })?,
        };
        Some(Exception { hosts, port })
    }

    fn covers(&self, url: &Url) -> bool {
        if self.port.is_some() && self.port != url.port() {
            return false;
        }
        match (&self.hosts, url.address()) {
            (Hosts::All, _) => true,
            (Hosts::Network(network, bits), Some(address)) => shares(*network, address, *bits),
            (Hosts::Domain(domain), None) => {
                let host = url.host().to_ascii_lowercase();
                let above = host.trim_end_matches('.').strip_suffix(domain.as_str());
                above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
            }
            _ => false,
        }
    }
}

/// Whether two addresses are of one kind and share so many leading bits.
fn shares(one: IpAddr, other: IpAddr, bits: u32) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            (one.to_bits() ^ other.to_bits()).leading_zeros() >= bits
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            (one.to_bits() ^ other.to_bits()).leading_zeros() >= bits
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a URL is fetched through, as it is displayed; empty if directly.
    fn through(variables: &[(&str, &str)], url: &str) -> String {
        let proxies = Proxies::new(&|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        match proxies.of(&Url::parse(url).unwrap()) {
            Ok(proxy) => proxy.map(|proxy| proxy.to_string()).unwrap_or_default(),
            Err(error) => format!("error: {error:#}"),
        }
    }

    #[test]
    fn each_variable_serves_its_own_scheme_and_all_proxy_both() {
        let both = [("HTTP_PROXY", "http://h:1"), ("HTTPS_PROXY", "http://s:2")];
        let all = [("all_proxy", "socks5h://a:3")];
        for (variables, url, expected) in [
            (&both[..], "http://x/", "the proxy http://h:1 (HTTP_PROXY)"),
            (&both, "https://x/", "the proxy http://s:2 (HTTPS_PROXY)"),
            (&both[..1], "https://x/", ""),
            (&both[1..], "http://x/", ""),
            (&all, "http://x/", "the proxy socks5h://a:3 (all_proxy)"),
            (&all, "https://x/", "the proxy socks5h://a:3 (all_proxy)"),
            (&[], "https://x/", ""),
        ] {
            assert_eq!(through(variables, url), expected, "{variables:?} {url}");
        }
    }

    #[test]
    fn lower_case_comes_before_upper_case_and_the_scheme_before_all() {
        let variables = [
            ("https_proxy", "http://low:1"),
            ("HTTPS_PROXY", "http://up:2"),
            ("all_proxy", "http://all:3"),
        ];
        for (skip, expected) in [(0, "low:1"), (1, "up:2"), (2, "all:3")] {
            let found = through(&variables[skip..], "https://x/");
            assert!(found.contains(expected), "{found}");
        }
        let empty = [("https_proxy", ""), ("ALL_PROXY", "http://all:3")];
        assert!(through(&empty, "https://x/").contains("all:3"));
    }

    #[test]
    fn a_proxy_needs_no_scheme_and_its_password_is_never_shown() {
        let of = |value: &str| through(&[("https_proxy", value)], "https://x/");
        assert_eq!(of("host:3128"), "the proxy http://host:3128 (https_proxy)");
        assert_eq!(
            of("http://me:secret@host:3128/"),
            "the proxy http://host:3128 (https_proxy)"
        );
        for wrong in [
            "http://me:secret@:99999",
            "me:secret@",
            "ftp://me:secret@h:1",
        ] {
            let error = of(wrong);
            assert!(error.starts_with("error: https_proxy"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn no_proxy_names_hosts_domains_ports_addresses_and_networks() {
        for (list, url, direct) in [
            ("*", "https://x.example/", true),
            ("a, *", "https://x.example/", true),
            ("x.example", "https://x.example/", true),
            ("X.Example.", "https://x.example/", true),
            ("example", "https://x.example/", true),
            (".example", "https://x.example/", true),
            ("*.example", "https://x.example/", true),
            ("a.example x.example", "https://x.example/", true),
            (".x.example", "https://x.example/", true),
            ("ample", "https://x.example/", false),
            ("x.example.com", "https://x.example/", false),
            ("x.example:443", "https://x.example/", true),
            ("x.example:80", "https://x.example/", false),
            ("x.example:8443", "https://x.example:8443/", true),
            ("127.0.0.1", "https://127.0.0.1:5/", true),
            ("127.0.0.1:6", "https://127.0.0.1:5/", false),
            ("0.0.1", "https://127.0.0.1:5/", false),
            ("10.0.0.0/8,192.168.1.0/24", "https://192.168.1.7/", true),
            ("10.0.0.0/8,192.168.1.0/24", "https://192.168.2.7/", false),
            ("::1", "https://[::1]/", true),
            ("[::1]:443", "https://[::1]/", true),
            ("fd00::/8", "https://[fd12::3]/", true),
            ("0.0.0.0/0", "https://[fd12::3]/", false),
            (" ,:,", "https://x.example/", false),
        ] {
            for name in ["no_proxy", "NO_PROXY"] {
                let variables = [("ALL_PROXY", "http://p:1"), (name, list)];
                assert_eq!(through(&variables, url).is_empty(), direct, "{list} {url}");
            }
        }
    }
}
