//! What a metric is in the results' record. Unaware of what is asked about it.

use crate::pipeline::Metric;
use summary::{SeedResult, Spread};
use table::ResultRow;

/// What the results have of a metric of one model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measured<'r> {
    /// In percent, over the seeds.
    Errors(&'r Spread),
    /// The same for every seed.
    Count(u64),
}

/// What a model's row has of a metric.
pub fn measured(metric: Metric, row: &ResultRow) -> Measured<'_> {
    match metric {
        Metric::TestError => Measured::Errors(&row.test_error),
        Metric::TrainError => Measured::Errors(&row.train_error),
        Metric::Parameters => Measured::Count(row.parameters),
        Metric::MultiplyAdds => Measured::Count(row.multiply_adds),
        Metric::Layers => Measured::Count(row.layers.into()),
        Metric::Iterations => Measured::Count(row.iterations),
    }
}

/// The error of one run, in percent; a count is none.
pub fn error(metric: Metric, run: &SeedResult) -> Option<f64> {
    match metric {
        Metric::TestError => Some(run.test_error),
        Metric::TrainError => Some(run.train_error),
        Metric::Parameters | Metric::MultiplyAdds | Metric::Layers | Metric::Iterations => None,
    }
}
