//! The graph of steps and what is to be done about each: pure functions of an experiment and of
//! the results that are already there.
//!
//! Unaware of processes, of how steps do their work, and of the terminal.

mod assess;
mod carry;
mod draw;
mod estimate;
mod explain;
mod forecast;
mod from_experiment;
mod graph;
mod keys;
mod needs;
mod reason;

pub use assess::{Assessment, Inputs, MANY, Plan, Planner, State};
pub use carry::{Carriable, Offer, is_of_code};
pub use draw::{Format, draw};
pub use estimate::Estimates;
pub use explain::{Cause, Compared, Explanation};
pub use forecast::{Forecast, Outlook, Sum};
pub use graph::{Graph, Input, Step, StepId};
pub use keys::Bases;
pub use needs::InUse;
pub use reason::Reason;

#[cfg(test)]
mod tests;
