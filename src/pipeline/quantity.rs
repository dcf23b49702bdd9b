//! Names of measured quantities, as claims and documents write them: `test_error(resnet56)`.

use std::fmt;
use std::str::FromStr;

use crate::error::Invalid;

/// What is measured or counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Final test error, in percent.
    TestError,
    /// Training error over the last window, in percent.
    TrainError,
    /// Mean over the 3 × 3 layers of the standard deviation of their responses (Fig. 7).
    Response,
    /// Learned parameters.
    Parameters,
    /// Multiply-adds of one forward pass over one image.
    MultiplyAdds,
    /// Weighted layers, 6n + 2.
    Layers,
    /// Training iterations.
    Iterations,
}

impl Metric {
    /// All metrics with their names.
    const NAMES: [(Metric, &str); 7] = [
        (Metric::TestError, "test_error"),
        (Metric::TrainError, "train_error"),
        (Metric::Response, "response"),
        (Metric::Parameters, "parameters"),
        (Metric::MultiplyAdds, "multiply_adds"),
        (Metric::Layers, "layers"),
        (Metric::Iterations, "iterations"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        let found = Metric::NAMES.iter().find(|(metric, _)| *metric == self);
        found.expect("every metric has a name").1
    }

    /// Whether it is measured, an error in percent or a response, and differs from run to run; else it is
    /// a count.
    pub fn is_measured(self) -> bool {
        matches!(
            self,
            Metric::TestError | Metric::TrainError | Metric::Response
        )
    }
}

impl FromStr for Metric {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Metric, Invalid> {
        let known = Metric::NAMES.iter().find(|(_, name)| *name == text);
        let metric = known.map(|(metric, _)| *metric);
        let names = Metric::NAMES.map(|(_, name)| name);
        metric.ok_or_else(|| Invalid::unknown("metric", text, names))
    }
}

/// A metric of a model, which need not exist.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity {
    pub metric: Metric,
    /// The model's name in the pipeline.
    pub model: String,
}

impl FromStr for Quantity {
    type Err = String;

    fn from_str(text: &str) -> Result<Quantity, String> {
        let parts = text.trim().strip_suffix(')');
        let (metric, model) = parts
            .and_then(|parts| parts.split_once('('))
            .ok_or_else(|| {
                format!("expected a quantity such as `test_error(resnet56)`, found {text:?}")
            })?;
        let metric = metric.trim().parse();
        let metric = metric.map_err(|error: Invalid| error.to_string())?;
        let model = model.trim();
        if model.is_empty() || model.contains(['(', ')']) {
            return Err(format!("expected a model's name, found {model:?}"));
        }
        let model = model.to_owned();
        Ok(Quantity { metric, model })
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}({})", self.metric.name(), self.model)
    }
}
