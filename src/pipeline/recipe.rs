//! The recipe as it stands in the file, with what profiles change in it, and the recipe of a training
//! that comes of it.
//!
//! Its limits are those of [`nn::recipe`]; here they get a place in the file.

use serde::Deserialize;

use super::complaint::{Checked, out_of_range};
use super::place::Place;
use nn::augment::Augmentation;
use nn::schedule::{LrSchedule, WarmUp};
use nn::snapshots::Snapshots;

/// Declares the recipe and, with the same fields, what a profile changes in it.
macro_rules! recipe {
    ($($(#[$attribute:meta])* $field:ident: $type:ty,)*) => {
        /// How to train.
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Recipe {
            $($(#[$attribute])* pub $field: $type,)*
        }

        /// What a profile changes in the recipe.
        #[derive(Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct RecipeOverride {
            $(pub $field: Option<$type>,)*
        }

        impl RecipeOverride {
            /// The recipe with these changes.
            pub fn applied_to(&self, recipe: &Recipe) -> Recipe {
                Recipe {
                    $($field: self.$field.as_ref().unwrap_or(&recipe.$field).clone(),)*
                }
            }
        }
    };
}

recipe! {
    batch_size: u32,
    learning_rate: f64,
    divide_at: Vec<u64>,
    divide_by: f64,
    iterations: u64,
    momentum: f64,
    weight_decay: f64,
    pad: u32,
    flip: bool,
    evaluate_every: u64,
    /// What is kept for replays; where it is not said, what fits the number of iterations.
    snapshots: Option<u32>,
    window: Option<u64>,
}

impl Recipe {
    /// The recipe of a training with this warm-up; numbers of iterations are divided by `shorten`.
    pub fn training(&self, warm_up: &WarmUp, shorten: u64) -> nn::recipe::Recipe {
        let iterations = self.iterations.div_ceil(shorten);
        let milestones = self.divide_at.iter().map(|at| at.div_ceil(shorten));
        let mut warm_up = warm_up.clone();
        if let WarmUp::Iterations { iterations, .. } = &mut warm_up {
            *iterations = iterations.div_ceil(shorten);
        }
        let schedule = LrSchedule {
            learning_rate: self.learning_rate,
            milestones: milestones.collect(),
            factor: self.divide_by,
            iterations,
            warm_up,
        };
        let fitting = Snapshots::fitting(&schedule, self.window);
        nn::recipe::Recipe {
            batch_size: self.batch_size,
            momentum: self.momentum,
            weight_decay: self.weight_decay,
            augmentation: Augmentation {
                pad: self.pad,
                flip: self.flip,
            },
            snapshots: Snapshots {
                count: self.snapshots.unwrap_or(fitting.count),
                ..fitting
            },
            schedule,
            evaluate_every: self.evaluate_every,
        }
    }

    /// Refuses numbers out of range, for the recipe that stands at a place of the file.
    pub fn check(&self, place: &Place) -> Checked<()> {
        self.check_with(&WarmUp::None, place)
    }

    /// Refuses numbers out of range in a warm-up that stands at a place of the file; this recipe is
    /// known to be right.
    pub fn check_with(&self, warm_up: &WarmUp, place: &Place) -> Checked<()> {
        self.training(warm_up, 1).check().or_else(|error| {
            // As the file names it.
            let place = place.at(match error.field {
                "milestones" => "divide_at",
                "factor" => "divide_by",
                field => field.trim_start_matches("warm_up."),
            });
            let place = error.index.map_or(place.clone(), |index| place.at(index));
            out_of_range(&place, format!("expected {}", error.expected), error.found)
        })
    }
}
