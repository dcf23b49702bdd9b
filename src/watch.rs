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

/// Time between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// So many times as long as a look has taken is waited until the next one, so that watching costs the run
/// little, but no longer than this.
const REST: u32 = 10;
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

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
            thread::sleep((REST * began.elapsed()).clamp(PAUSE, LONGEST_PAUSE));
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
