//! The graph of steps and what is to be done about each: pure functions of an experiment and of
//! the results that are already there.
//!
//! Unaware of processes, of how steps do their work, and of the terminal.

mod assess;
mod draw;
mod graph;
mod keys;

pub use assess::{Assessment, History, Reason, State, assess, assess_step};
pub use draw::{Format, draw};
pub use graph::{Graph, Input, Step, StepId};
pub use keys::{Backends, key_inputs, numeric};
