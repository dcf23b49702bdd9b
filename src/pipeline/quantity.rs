//! Names of measured quantities, as claims and documents write them: `test_error(resnet56)`.

use std::fmt;
use std::str::FromStr;

/// What is measured or counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Final test error, in percent.
    TestError,
    /// Training error over the last window, in percent.
    TrainError,
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
    /// All metrics.
    pub const ALL: [Metric; 6] = [
        Metric::TestError,
        Metric::TrainError,
        Metric::Parameters,
        Metric::MultiplyAdds,
        Metric::Layers,
        Metric::Iterations,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Metric::TestError => "test_error",
            Metric::TrainError => "train_error",
            Metric::Parameters => "parameters",
            Metric::MultiplyAdds => "multiply_adds",
            Metric::Layers => "layers",
            Metric::Iterations => "iterations",
        }
    }

    /// Whether it is an error in percent, which differs from run to run, and not a count.
    pub fn is_error(self) -> bool {
        matches!(self, Metric::TestError | Metric::TrainError)
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
        let metric = metric.trim();
        let known = Metric::ALL.iter().find(|known| known.name() == metric);
        let metric = *known.ok_or_else(|| {
            let names = Metric::ALL.map(Metric::name).join(", ");
            format!("unknown metric {metric:?}; known: {names}")
        })?;
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
