//! Why a remote could not be used, in one clear sentence, and never with what is secret.
//!
//! What a server answers is not shown: only its status and a code of letters and digits in it.

use std::fmt;

use crate::Address;

/// What code has to tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is no such file.
    Absent,
    /// The credentials, or their absence, do not allow it.
    Denied,
    /// The remote cannot do such a thing at all.
    Unsupported,
    /// It is larger than it may be.
    TooLarge,
    /// This process was asked to end.
    Stopped,
    /// Anything else: trying again may help.
    Failed,
}

/// Why a remote could not be used.
#[derive(Clone, Debug)]
pub struct Failure {
    pub trouble: Trouble,
    what: String,
    /// The remote, once it is known.
    address: Option<String>,
}

impl Failure {
    pub(crate) fn new(trouble: Trouble, what: impl Into<String>) -> Failure {
        Failure {
            trouble,
            what: what.into(),
            address: None,
        }
    }

    pub(crate) fn stopped() -> Failure {
        Failure::new(Trouble::Stopped, "stopped")
    }

    /// The same, of this remote.
    pub(crate) fn of(self, address: &Address) -> Failure {
        Failure {
            address: Some(address.to_string()),
            ..self
        }
    }
}

impl From<anyhow::Error> for Failure {
    /// What went wrong here and not there.
    fn from(error: anyhow::Error) -> Failure {
        match error.downcast::<Failure>() {
            Ok(failure) => failure,
            Err(error) => Failure::new(Trouble::Failed, format!("{error:#}")),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match &self.address {
            Some(address) => write!(formatter, "cannot use {address}: {}", self.what),
            None => formatter.write_str(&self.what),
        }
    }
}

impl std::error::Error for Failure {}

/// Codes of servers, what they mean, and what that is.
#[cfg(any(feature = "net", test))]
const CODES: &[(&[&str], Trouble, &str)] = &[
    (
        &[
            "NoSuchBucket",
            "ContainerNotFound",
            "InvalidBucketName",
            "bucket does not exist",
        ],
        Trouble::Failed,
        "there is no such bucket",
    ),
    (
        &[
            "RequestTimeTooSkewed",
            "RequestExpired",
            "Request date header too old",
            "Invalid JWT: Token must be",
        ],
        Trouble::Failed,
        "the server refuses the time of this machine; set its clock right",
    ),
    (
        &["ExpiredToken", "TokenRefreshRequired", "has expired"],
        Trouble::Failed,
        "the credentials have expired; get new ones",
    ),
    (
        &[
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "InvalidToken",
            "AuthenticationFailed",
            "InvalidSecurity",
            "invalid_grant",
        ],
        Trouble::Failed,
        "the server does not know the credentials; see docs/remote.md for where they are looked for",
    ),
    (
        &[
            "PermanentRedirect",
            "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException",
            "redirect without LOCATION",
        ],
        Trouble::Failed,
        "the bucket is in another region; set AWS_REGION",
    ),
    (
        &[
            "AccessDenied",
            "AllAccessDisabled",
            "AccountProblem",
            "AuthorizationPermissionMismatch",
            "PublicAccessNotPermitted",
        ],
        Trouble::Denied,
        DENIED,
    ),
];

#[cfg(any(feature = "net", test))]
const DENIED: &str = "access is denied: the credentials, or their absence, do not allow it";

/// What an error of a request means, by its text: status and body of the answer, or why there was none.
#[cfg(any(feature = "net", test))]
pub(crate) fn explained(text: &str) -> Failure {
    let answer = answered(text);
    let with = |what: &str| match &answer {
        Some(answer) => format!("{what} ({answer})"),
        None => what.to_owned(),
    };
    for (codes, trouble, what) in CODES {
        if codes.iter().any(|code| text.contains(code)) {
            return Failure::new(*trouble, with(what));
        }
    }
    let status: Option<u16> = answer
        .as_ref()
        .and_then(|answer| answer.get(..3)?.parse().ok());
    let (trouble, what) = match status {
        Some(401 | 403 | 407) => (Trouble::Denied, DENIED),
        Some(404 | 410) => (Trouble::Absent, "it is not there"),
        Some(405 | 501) => (Trouble::Unsupported, "the server takes no such request"),
        Some(413 | 507) => (Trouble::Failed, "the server has no room for it"),
        Some(429 | 503) => (
            Trouble::Failed,
            "the server is busy, also after several tries",
        ),
        Some(500..) => (
            Trouble::Failed,
            "the server failed, also after several tries",
        ),
        Some(_) => (Trouble::Failed, "the server refuses it"),
        None => (Trouble::Failed, unanswered(text)),
    };
    Failure::new(trouble, with(what))
}

/// Status and code of an answer: `403, RequestTimeTooSkewed`.
#[cfg(any(feature = "net", test))]
fn answered(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("status code: ")?;
    let status: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let code = rest
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    let code = code.map(|(code, _)| code).filter(|code| {
        (1..=60).contains(&code.len()) && code.chars().all(|c| c.is_ascii_alphanumeric())
    });
    Some(match code {
        Some(code) => format!("{status}, {code}"),
        None => status,
    })
}

/// What it means that there was no whole answer.
#[cfg(any(feature = "net", test))]
fn unanswered(text: &str) -> &'static str {
    let lower = text.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if has(&["dns", "lookup", "resolve", "name or service"]) {
        "its host is not known"
    } else if has(&["certificate", "tls", "handshake"]) {
        "no safe connection: its certificate is not trusted, or this machine's clock is wrong"
    } else if has(&["169.254.169.254", "metadata", "credential", "token", "imds"]) {
        "there are no credentials; see docs/remote.md for where they are looked for"
    } else if has(&["refused"]) {
        "it refuses connections"
    } else if has(&["timed out", "timeout", "elapsed"]) {
        "it does not answer in time"
    } else {
        "the connection broke, also after several tries"
    }
}
