//! Which proxy a URL is fetched through, from the environment variables that curl reads.
//!
//! `http_proxy` serves `http:` URLs and `https_proxy` `https:` URLs; `all_proxy` serves either where
//! its own is not set; `no_proxy` lists what is reached without any: `*`, hosts with all names below
//! them, addresses and networks (`10.0.0.0/8`). Each is read in lower case first, then in upper case,
//! and counts as not set while empty. That is what companies set; ureq alone would take one proxy for
//! both schemes, pass over one that is mistyped, and find no networks in `no_proxy`.
//!
//! Left to ureq: how a proxy is spoken to. It opens a tunnel for `http:` URLs as well. Proxies that
//! allow tunnels to port 443 alone refuse that; the archive's `https:` URL then is the way. Unaware
//! of connections.

use std::env;
use std::fmt;
use std::net::IpAddr;

use anyhow::{Context as _, Result};
use ipnet::IpNet;
use ureq::http::Uri;

use crate::url::{check, shown};

/// The proxies that the environment names.
#[derive(Clone, Default)]
pub struct Proxies {
    http: Option<Variable>,
    https: Option<Variable>,
    /// What is reached directly, in lower case.
    direct: String,
}

/// A variable with its value, which may be no proxy at all.
type Variable = (&'static str, String);

/// A proxy, and the variable that names it. Displayed without user and password.
pub struct Proxy {
    pub settings: ureq::Proxy,
    variable: &'static str,
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
                (!value.is_empty()).then_some((name, value))
            })
        };
        let direct = first(&["no_proxy", "NO_PROXY"]);
        Proxies {
            http: first(&["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]),
            https: first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            direct: direct.map_or_else(String::new, |(_, list)| list.to_ascii_lowercase()),
        }
    }

    /// The proxy for a URL, if it is not to be fetched directly.
    ///
    /// # Errors
    /// If the variable that would name it does not hold a proxy's URL. The value is not repeated, as
    /// it may hold a password.
    pub fn of(&self, url: &Uri) -> Result<Option<Proxy>> {
        let variable = match url.scheme_str() {
            Some("https") => &self.https,
            _ => &self.http,
        };
        let Some((variable, value)) = variable else {
            return Ok(None);
        };
        if self.is_direct(url.host().unwrap_or_default()) {
            return Ok(None);
        }
        let text = match value.contains("://") {
            true => value.clone(),
            false => format!("http://{value}"),
        };
        let settings = ureq::Proxy::new(&text).ok();
        let settings = settings.filter(|settings| check(settings.uri()).is_ok());
        let settings = settings.with_context(|| {
            format!("{variable} is no proxy's URL (expected http://host:port, or https:, socks4:, socks4a:, socks5: or socks5h:)")
        })?;
        Ok(Some(Proxy { settings, variable }))
    }

    fn is_direct(&self, host: &str) -> bool {
        let host = host.trim_matches(['[', ']', '.']).to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        self.direct.split([',', ' ', '\t']).any(|entry| {
            // As curl has it, a leading dot makes no difference.
            let name = entry.trim_start_matches('*').trim_matches(['[', ']', '.']);
            match address {
                _ if entry == "*" => true,
                Some(address) => match name.parse::<IpNet>() {
                    Ok(network) => network.contains(&address),
                    Err(_) => name.parse() == Ok(address),
                },
                None => host.strip_suffix(name).is_some_and(|above| {
                    !name.is_empty() && (above.is_empty() || above.ends_with('.'))
                }),
            }
        })
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = shown(&self.settings.uri().to_string());
        let url = url.trim_end_matches('/');
        write!(f, "the proxy {url} ({})", self.variable)
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
        match proxies.of(&url.parse().unwrap()) {
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
            "http://me:secret@:1",
            "http://me:secret@h:99999",
            "me:secret@",
            "ftp://me:secret@h:1",
        ] {
            let error = of(wrong);
            assert!(error.starts_with("error: https_proxy"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn no_proxy_names_hosts_domains_addresses_and_networks() {
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
            ("127.0.0.1", "https://127.0.0.1:5/", true),
            ("0.0.1", "https://127.0.0.1:5/", false),
            ("10.0.0.0/8,192.168.1.0/24", "https://192.168.1.7/", true),
            ("10.0.0.0/8,192.168.1.0/24", "https://192.168.2.7/", false),
            ("::1", "https://[::1]/", true),
            ("[0::1]", "https://[::1]/", true),
            ("::2", "https://[::1]/", false),
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
