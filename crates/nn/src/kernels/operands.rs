//! What the layers' arithmetic is given and what it gives, in tensors of burn.
//!
//! Unaware of who computes.

use burn::tensor::Tensor;

/// A convolution without bias (padded so that stride 1 keeps the size) and its batch normalisation.
pub struct ConvBn {
    /// `[filters, channels, size, size]`, `size` odd.
    pub weights: Tensor<4>,
    pub stride: usize,
    /// Batch normalisation's weight, `[filters]`.
    pub scale: Tensor<1>,
    /// Batch normalisation's bias, `[filters]`.
    pub shift: Tensor<1>,
    /// Added to the variance.
    pub epsilon: f64,
}

/// What follows the normalisation.
#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Epilogue {
    Identity,
    Relu,
    /// The sum with a tensor of the output's shape, then the ReLU.
    AddRelu(Tensor<4>),
}

impl Epilogue {
    /// What to add, if anything, and whether a ReLU follows.
    pub fn parts(self) -> (Option<Tensor<4>>, bool) {
        match self {
            Epilogue::Identity => (None, false),
            Epilogue::Relu => (None, true),
            Epilogue::AddRelu(skip) => (Some(skip), true),
        }
    }
}

/// The shortcut past the two layers of a block; `P` is a projection: a convolution and its batch
/// normalisation.
pub enum Skip<P> {
    Identity,
    /// One of each 2 × 2 pixels, with channels of zeros before and after.
    Pad(Downsample, [usize; 2]),
    Projection(P),
}

/// Statistics of a batch, over images and pixels, before normalisation, `[filters]` each; no
/// gradient flows through them.
pub struct BatchStats {
    pub mean: Tensor<1>,
    /// Biased, as the batch was normalised with.
    pub variance: Tensor<1>,
}

/// Which of 2 × 2 pixels stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Downsample {
    /// The first of the first row.
    EveryOther,
    /// The largest, channel by channel.
    MaxPool,
}

/// The numbers of a step of stochastic gradient descent.
#[derive(Clone, Copy, Debug)]
pub struct SgdConfig {
    /// η
    pub learning_rate: f64,
    /// μ
    pub momentum: f64,
    /// λ
    pub weight_decay: f64,
}

/// Weights `w`, their gradient `g` and their momentum buffer `v`, none before the first step, outside
/// of autodiff's graph.
pub struct SgdStep {
    pub weights: Tensor<1>,
    pub gradient: Tensor<1>,
    pub momentum_buffer: Option<Tensor<1>>,
}
