//! `fig6 watch`: the report's page, live, for browsers on this machine.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::sync::mpsc;

use anyhow::{Context as _, Error, Result, anyhow};
use clap::Args;
use serde_json::json;

use super::out::Out;
use super::signals;
use super::{Where, say_error};
use crate::pipeline::Pipeline;
use crate::watch::{Watched, watch};

/// The port where nobody asks for another one: "fig6" on the keys of a telephone.
const PORT: u16 = 3446;

#[derive(Args, Clone, Debug)]
pub struct Arguments {
    #[command(flatten)]
    place: Where,
    /// Serve on this port, or on any free one for 0 [default: 3446, or a free one where that is taken].
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Print the address as JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, out: &mut Out) -> Result<ExitCode> {
    let (sender, stop) = mpsc::channel();
    // Nothing is under way that the second one would have to cut short.
    signals::listen(move |_| sender.send(()).is_ok())?;
    let place = arguments.place.clone();
    let watched = open(&place)?;
    let listener = listen(arguments.port)?;
    let address = listener.local_addr().context("cannot tell the port")?;
    let pipeline = place.pipeline.clone();
    let warn = |trouble: &Error| {
        say_error(&anyhow!("the page stays as it is: {trouble:#}"));
    };
    let again = Box::new(move || open(&place));
    watch(listener, watched, pipeline, again, warn)?;
    let url = format!("http://{address}/");
    match arguments.json {
        true => out.json_line(&json!({ "url": url })),
        false => out.line(url),
    }
    if out.has_failed() {
        return Ok(ExitCode::SUCCESS); // Nobody has learnt where to look.
    }
    // That is how it is meant to end.
    stop.recv().context("cannot listen for signals")?;
    Ok(ExitCode::SUCCESS)
}

fn open(place: &Where) -> Result<Watched> {
    let project = place.open()?;
    let name = place.pipeline.display().to_string();
    let pipeline = Pipeline::parse(&project.pipeline, &name)?;
    Ok(Watched {
        claims: pipeline.claims(&project.experiment),
        significance: pipeline.significance(),
        project,
    })
}

/// Listens on this machine only.
fn listen(asked_for: Option<u16>) -> Result<TcpListener> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let port = asked_for.unwrap_or(PORT);
    let is_taken = |error: &io::Error| error.kind() == ErrorKind::AddrInUse;
    match bind(port) {
        Err(error) if asked_for.is_none() && is_taken(&error) => bind(0),
        bound => bound,
    }
    .with_context(|| format!("cannot serve on port {port}; choose another one with --port"))
}
