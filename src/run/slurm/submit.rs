//! Submits steps: those that are ready at the same time with the same options together, as an array.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Error, Result};

use super::answers::Answers;
use super::client::{Away, Client};
use super::ending::Ending;
use super::script::{TRIES, script};
use super::ticket::Ticket;
use step::Progress;
use store::key::Digest;

/// How long steps that become ready together are waited for.
const GATHER: Duration = Duration::from_millis(200);

/// Jobs in one submission: less than what Slurm allows unless it is told otherwise.
const LARGEST: usize = 500;

/// The longest pause between two tries to reach the controller.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A step to be submitted.
#[derive(Clone, Debug)]
pub struct Order {
    pub step: String,
    pub folder: PathBuf,
    /// For `sbatch`.
    pub options: Vec<String>,
    /// All but the submission's name and number.
    pub ticket: Ticket,
}

/// Gathers orders from many threads.
#[derive(Debug, Default)]
pub struct Submitter {
    orders: Mutex<Orders>,
}

#[derive(Debug, Default)]
struct Orders {
    waiting: Vec<Order>,
    /// Whether a thread gathers or submits.
    busy: bool,
    /// What became of orders, by their folders.
    answers: BTreeMap<PathBuf, Result<Ticket, String>>,
}

/// What a submission needs beside its orders.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    pub client: Client,
    pub program: &'a Path,
    pub ending: &'a Ending,
}

impl Submitter {
    /// Submits a step, and puts its ticket into its folder before.
    ///
    /// # Errors
    /// [`super::super::Stopped`] if the run is to end before; with what `sbatch` says if it refuses; if the
    /// folder cannot be written.
    pub fn submit(
        &self,
        order: Order,
        setting: Setting,
        report: &mut dyn FnMut(Progress),
    ) -> Result<Ticket> {
        let folder = order.folder.clone();
        self.orders().waiting.push(order);
        loop {
            let first = {
                let mut orders = self.orders();
                if let Some(answer) = orders.answers.remove(&folder) {
                    return answer.map_err(Error::msg);
                }
                !std::mem::replace(&mut orders.busy, true)
            };
            // Also where the run is to end: whoever submits now may have taken this order along.
            let ended = setting.ending.wait(GATHER);
            if !first {
                continue;
            }
            let mut orders = self.orders();
            if let Err(stopped) = ended {
                orders.waiting.retain(|order| order.folder != folder);
                orders.busy = false;
                return Err(stopped.into());
            }
            let taken = std::mem::take(&mut orders.waiting);
            drop(orders);
            let answers = submit_all(taken, setting, report);
            let mut orders = self.orders();
            orders.answers.extend(answers);
            orders.busy = false;
        }
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        // Each change leaves it whole.
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn submit_all(
    orders: Vec<Order>,
    setting: Setting,
    report: &mut dyn FnMut(Progress),
) -> BTreeMap<PathBuf, Result<Ticket, String>> {
    let mut alike: BTreeMap<Vec<String>, Vec<Order>> = BTreeMap::new();
    for order in orders {
        alike.entry(order.options.clone()).or_default().push(order);
    }
    let mut answers = BTreeMap::new();
    for (options, orders) in alike {
        for orders in orders.chunks(LARGEST) {
            let submitted = submit_batch(&options, orders, setting, report);
            let refused = |error: &Error, step: &str| {
                let options = match &*options {
                    [] => String::new(),
                    options => format!(" with {}", options.join(" ")),
                };
                format!("sbatch refused {step}{options}: {error:#}")
            };
            for (index, order) in orders.iter().enumerate() {
                let answer = submitted
                    .as_ref()
                    .map(|tickets| tickets[index].clone())
                    .map_err(|error| refused(error, &order.step));
                answers.insert(order.folder.clone(), answer);
            }
        }
    }
    answers
}

/// Submits steps with the same options; returns their tickets.
fn submit_batch(
    options: &[String],
    orders: &[Order],
    setting: Setting,
    report: &mut dyn FnMut(Progress),
) -> Result<Vec<Ticket>> {
    let batch = name_of_batch(orders);
    let tickets = |number| {
        let orders = orders.iter().enumerate();
        let tickets = orders.map(|(index, order)| Ticket {
            batch: batch.clone(),
            index,
            number,
            ..order.ticket.clone()
        });
        tickets.collect::<Vec<Ticket>>()
    };
    let write = |tickets: &[Ticket]| {
        let mut all = orders.iter().zip(tickets);
        all.try_for_each(|(order, ticket)| ticket.write(&order.folder))
    };
    for order in orders {
        Answers::begin(&order.folder)?;
    }
    write(&tickets(None))?;
    let folders: Vec<PathBuf> = orders.iter().map(|order| order.folder.clone()).collect();
    let script = script(&batch, setting.program, &folders, TRIES)?;
    let Setting { client, ending, .. } = setting;
    let mut pause = Duration::from_secs(1);
    let number = loop {
        match client.submit(&batch, orders.len(), options, &script) {
            Ok(number) => break number,
            Err(error) if error.is::<Away>() => {
                report(Progress::Note(format!("waiting for Slurm: {error:#}")));
            }
            Err(error) => {
                for order in orders {
                    Ticket::withdraw(&order.folder)?;
                }
                return Err(error);
            }
        }
        if ending.wait(pause).is_err() {
            // It may have been submitted all the same; a later run will see.
            return Ok(tickets(None));
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
        // The answer may be what was lost.
        if let Ok(queue) = client.queue()
            && let Some(queued) = queue.get(&(batch.clone(), 0))
        {
            break queued.number;
        }
    };
    let tickets = tickets(Some(number));
    write(&tickets)?;
    Ok(tickets)
}

/// A name that no other submission has.
fn name_of_batch(orders: &[Order]) -> String {
    let mut text = format!("{} {:?}", std::process::id(), SystemTime::now());
    for order in orders {
        text += &order.folder.to_string_lossy();
    }
    Digest::of(text.as_bytes()).to_string()[..16].to_owned()
}
