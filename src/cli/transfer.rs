//! What commands share that talk to a store elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::Result;
use bytesize::ByteSize;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::environment;
use super::out::Out;
use super::terminal::{Paint, paint};
use super::view::{counted, shortened_list};
use crate::error::Invalid;
use crate::remote::Pulled;
use remote_store::{Address, Failure, Remote, Trouble};

/// Notes that are shown; more are only counted.
const NOTES_SHOWN: usize = 10;

/// Steps that are named; more are only counted.
pub const STEPS_SHOWN: usize = 4;

/// The store elsewhere.
#[derive(Args, Debug)]
pub struct Elsewhere {
    /// A store elsewhere: a folder, s3://bucket/…, gs://bucket/…, az://container/… or https://… (also
    /// FIG6_REMOTE). Credentials come from the usual variables and files.
    #[arg(long, value_name = "URL")]
    pub remote: Option<String>,
}

impl Elsewhere {
    /// Its address, if there is one.
    pub fn address(&self) -> Result<Option<Address>, Invalid> {
        environment::remote(self.remote.as_deref())
    }

    /// Its address.
    pub fn expect_address(&self) -> Result<Address, Invalid> {
        let none = "name the store elsewhere with --remote or FIG6_REMOTE";
        self.address()?.ok_or_else(|| Invalid::new(none))
    }
}

/// Opens a remote to read from it.
pub fn open(address: &Address, stop: &Arc<AtomicBool>) -> Result<Arc<Remote>> {
    Ok(Arc::new(Remote::open(address, stop)?))
}

/// Whether something ended because it was asked to.
pub fn is_stopped(error: &anyhow::Error) -> bool {
    let failure = error.downcast_ref::<Failure>();
    failure.is_some_and(|failure| failure.trouble == Trouble::Stopped)
}

/// A live line with the bytes so far, where there is a terminal.
pub struct Meter {
    bar: ProgressBar,
    bytes: AtomicU64,
}

impl Meter {
    /// `what` is done to bytes.
    pub fn new(what: &'static str, hidden: bool) -> Meter {
        let bar = ProgressBar::new_spinner().with_message(what);
        if hidden {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let style = ProgressStyle::with_template("{msg} {decimal_bytes}, {decimal_bytes_per_sec}");
        Meter {
            bar: bar.with_style(style.expect("the template is fixed and right")),
            bytes: AtomicU64::new(0),
        }
    }

    pub fn add(&self, bytes: u64) {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bar.set_position(before + bytes);
    }

    pub fn close(&self) {
        self.bar.finish_and_clear();
    }
}

/// Says what was brought, and what was not used.
pub fn show_pulled(pulled: &Pulled, address: &Address, out: &mut Out) {
    let refused = &pulled.refused;
    for (step, what) in refused.iter().take(NOTES_SHOWN) {
        let note = paint(Paint::Yellow, "note:");
        out.line(format!(
            "{note} {step}: what {address} has is not used: {what}"
        ));
    }
    if !pulled.busy.is_empty() {
        let steps: Vec<&str> = pulled.busy.iter().map(String::as_str).collect();
        let steps = shortened_list(&steps, STEPS_SHOWN);
        out.line(format!("another fig6 computes or fetches {steps}"));
    }
    if refused.len() > NOTES_SHOWN {
        out.line(format!("and {} more", refused.len() - NOTES_SHOWN));
    }
    if !pulled.brought.is_empty() {
        let (count, size) = (pulled.brought.len(), size(pulled.bytes));
        let results = counted(count, "result");
        out.remark(&format!("fetched {results} from {address}: {size}"));
    }
}

pub fn size(bytes: u64) -> String {
    ByteSize::b(bytes).display().si().to_string()
}
