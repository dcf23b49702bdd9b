//! How patient a download is.

use std::time::Duration;

/// What is waited for, and how long.
#[derive(Clone, Copy, Debug)]
pub struct DownloadLimits {
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

impl Default for DownloadLimits {
    fn default() -> DownloadLimits {
        DownloadLimits {
            connect: Duration::from_secs(20),
            stall: Duration::from_secs(60),
            least: 60 << 10,
            attempts: 4,
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(120),
        }
    }
}
