//! The report's page, live: a server for browsers on this machine that shows what the steps have made and
//! how those under way get on.
//!
//! A run does not need it and does not notice it: it only reads, writes nothing into any folder, and holds
//! no lock. Unaware of the command line and of signals.

mod board;
mod curves;
mod lines;
mod observer;
mod request;
mod server;

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Error, Result};

use crate::page::{self, Data};
use board::Board;
use observer::Observer;
pub use observer::{Open, Watched};
use request::EVENTS;
use server::{Limits, Site};

/// The shortest and the longest time between two looks.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
/// So many times as long as a look has taken is waited until the next one, so that watching costs the run
/// little.
const REST: u32 = 5;
/// Bytes a second that are sent to each client on average at most, which a tunnel can take.
const WIDTH: f64 = 250e3;

/// Time until the next look after one that took so long, with messages of so many bytes.
fn pause(look: Duration, message: usize) -> Duration {
    let (shortest, longest) = PAUSES;
    let sent = Duration::from_secs_f64(message as f64 / WIDTH);
    sent.max(REST * look).clamp(shortest, longest)
}

/// From now on shows what is watched to those who connect, until the process ends. `open` opens it again once
/// the pipeline file, at this path, is another one. `warn` is told why the page cannot follow what happens,
/// once for each reason; until it can again, the last state stands.
///
/// # Errors
/// If an artifact cannot be read, or no thread can be started.
pub fn watch(
    listener: TcpListener,
    watched: Watched,
    pipeline: PathBuf,
    open: Open,
    mut warn: impl FnMut(&Error) + Send + 'static,
) -> Result<()> {
    let mut observer = Observer::new(watched, pipeline, open);
    let first = observer.look()?.unwrap_or_default();
    let live = Arc::new(Live(Board::new(Post::of(first)?)));
    server::serve(listener, live.clone(), Limits::default())?;
    let look = move || {
        let mut told = None;
        loop {
            let began = Instant::now();
            let looked = live.follow(&mut observer);
            let trouble = looked.err().or_else(|| observer.take_trouble());
            let said = trouble.as_ref().map(|trouble| format!("{trouble:#}"));
            if let Some(trouble) = trouble.filter(|_| said != told) {
                warn(&trouble);
            }
            told = said;
            thread::sleep(pause(began.elapsed(), live.0.now().message.len()));
        }
    };
    thread::Builder::new()
        .name("observer".to_owned())
        .spawn(look)
        .map(drop)
        .context("cannot start a thread")
}

/// The page and its events.
struct Live(Board<Post>);

impl Live {
    /// Looks, and shows what has changed.
    fn follow(&self, observer: &mut Observer) -> Result<()> {
        if let Some(data) = observer.look()?
            && self.0.now().data != data
        {
            self.0.post(Post::of(data)?);
        }
        Ok(())
    }
}

impl Site for Live {
    fn page(&self) -> Result<String> {
        page::render(&self.0.now().data, Some(EVENTS))
    }

    fn event(&self, seen: u64, within: Duration) -> Option<(u64, Arc<str>)> {
        let (number, post) = self.0.next(seen, within)?;
        Some((number, post.message.clone()))
    }
}

/// Data with the message that it is sent as.
struct Post {
    data: Data,
    message: Arc<str>,
}

impl Post {
    fn of(data: Data) -> Result<Post> {
        let message = page::message(&data)?.into();
        Ok(Post { data, message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_that_take_long_and_large_messages_are_rarer() {
        let pause = |millis, bytes| pause(Duration::from_millis(millis), bytes).as_secs_f64();
        assert_eq!(pause(3, 20_000), 1.0);
        assert_eq!(pause(600, 20_000), 3.0);
        assert_eq!(pause(3, 1_000_000), 4.0);
        assert_eq!(pause(60_000, 1 << 30), 10.0);
    }
}
