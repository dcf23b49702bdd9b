//! The networks of He et al. 2015, section 4.2: plain and residual nets of 6n + 2 layers for
//! 32 × 32 images.
//!
//! Unaware of data, training and files.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, bail, ensure};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::init::Init;
use super::kernels::{Shrink, Then, fork, mean, zero_pad};
use super::layers::{BatchNorm, Conv, Linear};
use cifar::{CHANNELS, CLASSES, SIDE};

/// Filters of the three stages, on maps of 32, 16 and 8 pixels a side.
pub const FILTERS: [usize; 3] = [16, 32, 64];

/// Most blocks of a stage: more than anyone has tried.
pub const MAX_N: u32 = 1_000;

/// How a block's input gets past its two convolutions. Where the block keeps the shape, every
/// kind but [`Shortcut::None`] is the identity; they differ where it halves the maps and doubles
/// the channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shortcut {
    /// Not at all: the plain nets.
    None,
    /// Every other pixel of every other row, zero channels appended (the paper's option A).
    Zeropad,
    /// The same with half of the zero channels before and half after, as some published
    /// checkpoints want it.
    ZeropadBothSides,
    /// Maxima of 2 × 2 pixels, zero channels appended.
    ZeropadMaxpool,
    /// Learned: 1 × 1 convolution of stride 2 and batch normalisation (the paper's option B).
    Conv1x1Proj,
}

impl Shortcut {
    /// All kinds, in the order of declaration.
    pub const ALL: [Shortcut; 5] = [
        Shortcut::None,
        Shortcut::Zeropad,
        Shortcut::ZeropadBothSides,
        Shortcut::ZeropadMaxpool,
        Shortcut::Conv1x1Proj,
    ];

    /// The name in files and options.
    pub fn name(self) -> &'static str {
        match self {
            Shortcut::None => "none",
            Shortcut::Zeropad => "zeropad",
            Shortcut::ZeropadBothSides => "zeropad-both-sides",
            Shortcut::ZeropadMaxpool => "zeropad-maxpool",
            Shortcut::Conv1x1Proj => "conv1x1-proj",
        }
    }
}

impl fmt::Display for Shortcut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Shortcut {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Shortcut> {
        match Shortcut::ALL.iter().find(|kind| kind.name() == text) {
            Some(kind) => Ok(*kind),
            None => bail!(
                "unknown shortcut {text:?}: expected one of {}",
                Shortcut::ALL.map(Shortcut::name).join(", ")
            ),
        }
    }
}

/// Which network: its depth and its shortcuts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Blocks of each of the three stages, at least 1.
    pub n: u32,
    /// Kind of the shortcuts.
    pub shortcut: Shortcut,
}

impl Architecture {
    /// Refuses networks that do not exist.
    ///
    /// # Errors
    /// If `n` is 0 or above [`MAX_N`].
    pub fn check(&self) -> Result<()> {
        ensure!(
            (1..=MAX_N).contains(&self.n),
            "n = {} makes no network: n counts the blocks of a stage, from 1 to {MAX_N} (depth is 6n + 2)",
            self.n
        );
        Ok(())
    }

    /// Weighted layers, projections not counted: 6n + 2.
    pub fn layers(&self) -> u32 {
        self.n.saturating_mul(6).saturating_add(2)
    }

    /// Learned parameters: weights, and batch normalisation's scales and shifts.
    pub fn parameters(&self) -> u64 {
        let convs: u64 = self
            .convs()
            .map(|conv| conv.weights() + 2 * conv.filters)
            .sum();
        let [.., features] = FILTERS;
        convs + ((features + 1) * CLASSES) as u64
    }

    /// Multiply-adds of convolutions and fully connected layer for one image.
    pub fn multiply_adds(&self) -> u64 {
        let convs: u64 = self
            .convs()
            .map(|conv| conv.weights() * conv.side * conv.side)
            .sum();
        let [.., features] = FILTERS;
        convs + (features * CLASSES) as u64
    }

    /// Every convolution of the net, in no particular order.
    fn convs(&self) -> impl Iterator<Item = ConvShape> {
        let shape = |filters: usize, channels: usize, size: u64, side: usize| ConvShape {
            filters: filters as u64,
            channels: channels as u64,
            size,
            side: side as u64,
        };
        let first = shape(FILTERS[0], CHANNELS, 3, SIDE);
        let blocks = self.blocks().flat_map(move |block| {
            let projection = shape(block.filters, block.channels, 1, block.side);
            [
                Some(shape(block.filters, block.channels, 3, block.side)),
                Some(shape(block.filters, block.filters, 3, block.side)),
                block.projects().then_some(projection),
            ]
        });
        std::iter::once(first).chain(blocks.flatten())
    }

    /// The 3n blocks from input to output.
    fn blocks(&self) -> impl Iterator<Item = BlockShape> {
        let (n, shortcut) = (self.n, self.shortcut);
        FILTERS
            .into_iter()
            .enumerate()
            .flat_map(move |(stage, filters)| {
                (0..n).map(move |index| BlockShape {
                    stage,
                    index,
                    channels: match (stage, index) {
                        (1.., 0) => FILTERS[stage - 1],
                        _ => filters,
                    },
                    filters,
                    side: SIDE >> stage,
                    shortcut,
                })
            })
    }

    /// The network with its initial weights for `seed`, on `device` (one with autodiff to train).
    pub fn init(&self, seed: u64, device: &Device) -> ResNet {
        let init = Init { seed, device };
        let stage = |stage| {
            self.blocks()
                .filter(|block| block.stage == stage)
                .map(|block| Block::new(&init, &block))
                .collect()
        };
        let [.., features] = FILTERS;
        ResNet {
            conv1: Conv::new(&init, "conv1", [FILTERS[0], CHANNELS, 3], 1),
            bn1: BatchNorm::new(&init, FILTERS[0]),
            layer1: stage(0),
            layer2: stage(1),
            layer3: stage(2),
            fc: Linear::new(&init, "fc", [CLASSES, features]),
        }
    }
}

/// What a convolution's cost depends on; `side` is its output's.
struct ConvShape {
    filters: u64,
    channels: u64,
    size: u64,
    side: u64,
}

impl ConvShape {
    fn weights(&self) -> u64 {
        self.filters * self.channels * self.size * self.size
    }
}

/// Where a block stands and what shape its maps have; `side` is its output's.
struct BlockShape {
    stage: usize,
    index: u32,
    channels: usize,
    filters: usize,
    side: usize,
    shortcut: Shortcut,
}

impl BlockShape {
    fn projects(&self) -> bool {
        self.shortcut == Shortcut::Conv1x1Proj && self.channels != self.filters
    }
}

/// A plain or residual network. The fields bear PyTorch's names: they are those in the files.
#[derive(Module, Debug)]
pub struct ResNet {
    conv1: Conv,
    bn1: BatchNorm,
    layer1: Vec<Block>,
    layer2: Vec<Block>,
    layer3: Vec<Block>,
    fc: Linear,
}

impl ResNet {
    /// The device that the network is on.
    pub fn device(&self) -> Device {
        self.conv1.device()
    }

    /// Normalised images `[images, 3, 32, 32]` to logits `[images, 10]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut x = self.conv1.forward(images, &self.bn1, Then::Relu);
        for block in self.layer1.iter().chain(&self.layer2).chain(&self.layer3) {
            x = block.forward(x);
        }
        self.fc.forward(mean(x))
    }
}

/// Two 3 × 3 convolutions and the shortcut over them.
#[derive(Module, Debug)]
struct Block {
    conv1: Conv,
    bn1: BatchNorm,
    conv2: Conv,
    bn2: BatchNorm,
    skip_connection: Option<Projection>,
    #[module(skip)]
    shortcut: Shortcut,
    /// Channels of the output.
    #[module(skip)]
    filters: usize,
}

impl Block {
    fn new(init: &Init, shape: &BlockShape) -> Block {
        let name = format!("layer{}.{}", shape.stage + 1, shape.index);
        let (filters, channels) = (shape.filters, shape.channels);
        let stride = filters / channels;
        let conv1 = [filters, channels, 3];
        let conv2 = [filters, filters, 3];
        Block {
            conv1: Conv::new(init, &format!("{name}.conv1"), conv1, stride),
            bn1: BatchNorm::new(init, filters),
            conv2: Conv::new(init, &format!("{name}.conv2"), conv2, 1),
            bn2: BatchNorm::new(init, filters),
            skip_connection: shape.projects().then(|| Projection {
                conv: Conv::new(
                    init,
                    &format!("{name}.skip_connection.conv"),
                    [filters, channels, 1],
                    stride,
                ),
                bn: BatchNorm::new(init, filters),
            }),
            shortcut: shape.shortcut,
            filters,
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        if self.shortcut == Shortcut::None {
            let y = self.conv1.forward(x, &self.bn1, Then::Relu);
            return self.conv2.forward(y, &self.bn2, Then::Relu);
        }
        let [x, skip] = fork(x);
        let y = self.conv1.forward(x, &self.bn1, Then::Relu);
        self.conv2
            .forward(y, &self.bn2, Then::AddRelu(self.skip(skip)))
    }

    /// The input in the shape of the output.
    fn skip(&self, x: Tensor<4>) -> Tensor<4> {
        if let Some(Projection { conv, bn }) = &self.skip_connection {
            return conv.forward(x, bn, Then::Nothing);
        }
        let [_, channels, _, _] = x.dims();
        let added = self.filters - channels;
        match self.shortcut {
            _ if added == 0 => x,
            Shortcut::ZeropadBothSides => {
                zero_pad(x, Shrink::EveryOther, [added / 2, added - added / 2])
            }
            Shortcut::ZeropadMaxpool => zero_pad(x, Shrink::Largest, [0, added]),
            _ => zero_pad(x, Shrink::EveryOther, [0, added]),
        }
    }
}

/// A learned shortcut.
#[derive(Module, Debug)]
struct Projection {
    conv: Conv,
    bn: BatchNorm,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Backend;
    use crate::weights;

    /// n; parameters without and with projections; multiply-adds without: the paper's nets as
    /// counted independently of this program.
    const COUNTED: [(u32, u64, u64, u64); 6] = [
        (3, 269_722, 272_474, 40_551_040),
        (5, 464_154, 466_906, 68_862_592),
        (7, 658_586, 661_338, 97_174_144),
        (9, 853_018, 855_770, 125_485_696),
        (18, 1_727_962, 1_730_714, 252_887_680),
        (200, 19_421_274, 19_424_026, 2_829_238_912),
    ];

    fn net(n: u32, shortcut: Shortcut) -> Architecture {
        Architecture { n, shortcut }
    }

    #[test]
    fn the_papers_nets_have_the_counted_parameters_and_multiply_adds_under_every_option() {
        for (n, without, with, multiply_adds) in COUNTED {
            for shortcut in Shortcut::ALL {
                let projected = shortcut == Shortcut::Conv1x1Proj;
                let expected = if projected { with } else { without };
                assert_eq!(net(n, shortcut).parameters(), expected, "n {n}, {shortcut}");
                if !projected {
                    assert_eq!(net(n, shortcut).multiply_adds(), multiply_adds, "n {n}");
                }
            }
        }
    }

    #[test]
    fn every_depth_between_adds_the_same_number_per_block() {
        // Three more blocks, one a stage: 2 · 9 · (16² + 32² + 64²) weights and 4 · (16 + 32 + 64)
        // scales and shifts; on maps of 32², 16² and 8² pixels.
        let parameters = 2 * 9 * (256 + 1024 + 4096) + 4 * 112;
        let multiply_adds = 2 * 9 * (256 * 1024 + 1024 * 256 + 4096 * 64);
        for shortcut in Shortcut::ALL {
            for n in 3..200 {
                let (less, more) = (net(n, shortcut), net(n + 1, shortcut));
                assert_eq!(more.parameters() - less.parameters(), parameters);
                assert_eq!(more.multiply_adds() - less.multiply_adds(), multiply_adds);
            }
        }
    }

    #[test]
    fn the_count_is_that_of_the_network_as_it_is_built() {
        let device = Backend::Flex.open().unwrap();
        for shortcut in Shortcut::ALL {
            for n in [1, 3] {
                let state = weights::state(&net(n, shortcut).init(0, &device)).unwrap();
                let learned = state.iter().filter(|(name, _)| !name.contains("running_"));
                let count: usize = learned.map(|(_, tensor)| tensor.values.len()).sum();
                assert_eq!(
                    count as u64,
                    net(n, shortcut).parameters(),
                    "n {n}, {shortcut}"
                );
            }
        }
    }

    #[test]
    fn every_layer_starts_with_the_moments_of_its_formula() {
        let device = Backend::Flex.open().unwrap();
        for shortcut in [Shortcut::Zeropad, Shortcut::Conv1x1Proj] {
            let state = weights::state(&net(3, shortcut).init(11, &device)).unwrap();
            let mut convs = 0;
            for (name, tensor) in &state {
                let values: Vec<f64> = tensor.values.iter().map(|&x| f64::from(x)).collect();
                let n = values.len() as f64;
                let mean = values.iter().sum::<f64>() / n;
                let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
                let all = |expected: f64| values.iter().all(|&x| x == expected);
                match &tensor.shape[..] {
                    // Kaiming normal over fan-out: 2 / (filters · size²). Five standard errors of
                    // a normal sample's mean and variance.
                    &[filters, _, size, _] => {
                        convs += 1;
                        let expected = 2.0 / (filters * size * size) as f64;
                        assert!(mean.abs() < 5.0 * (expected / n).sqrt(), "{name}: {mean}");
                        let off = variance / expected - 1.0;
                        assert!(off.abs() < 5.0 * (2.0 / n).sqrt(), "{name}: {off}");
                    }
                    // PyTorch's nn.Linear: uniform within ±1/√64, of variance 1 / (3 · 64).
                    [10, 64] | [10] => {
                        assert!(values.iter().all(|x| x.abs() <= 0.125), "{name}");
                        let off = variance * 3.0 * 64.0 - 1.0;
                        assert!(off.abs() < 5.0 * (0.8 / n).sqrt(), "{name}: {off}");
                    }
                    _ if name.ends_with("running_var") => assert!(all(1.0), "{name}"),
                    _ if name.ends_with("weight") => assert!(all(1.0), "{name}"),
                    _ => assert!(all(0.0), "{name}"),
                }
            }
            let projections = if shortcut == Shortcut::Conv1x1Proj {
                2
            } else {
                0
            };
            assert_eq!(convs, 19 + projections);
        }
    }

    /// What gets past a block from 16 to 32 channels, of maps of 4 × 4 pixels, as values by
    /// channel; every input value is its own position plus one.
    fn skipped(shortcut: Shortcut) -> Vec<Vec<f32>> {
        let device = Backend::Flex.open().unwrap();
        let init = Init {
            seed: 0,
            device: &device,
        };
        let shape = BlockShape {
            stage: 1,
            index: 0,
            channels: 16,
            filters: 32,
            side: 2,
            shortcut,
        };
        let block = Block::new(&init, &shape);
        let values: Vec<f32> = (1..=16 * 16).map(|value| value as f32).collect();
        let data = burn::tensor::TensorData::new(values, [1, 16, 4, 4]);
        let output = block.skip(Tensor::from_data(data, &device));
        assert_eq!(output.dims(), [1, 32, 2, 2]);
        let output = weights::read(output).unwrap();
        output.chunks_exact(4).map(<[f32]>::to_vec).collect()
    }

    #[test]
    fn option_a_takes_every_other_pixel_and_puts_the_zeros_where_the_variant_says() {
        let channel = |index: usize| {
            let first = (16 * index + 1) as f32;
            vec![first, first + 2.0, first + 8.0, first + 10.0]
        };
        let zeros = vec![0.0; 4];
        let appended = skipped(Shortcut::Zeropad);
        let both = skipped(Shortcut::ZeropadBothSides);
        for index in 0..16 {
            assert_eq!(appended[index], channel(index));
            assert_eq!(appended[16 + index], zeros);
            assert_eq!(both[8 + index], channel(index));
        }
        for index in (0..8).chain(24..32) {
            assert_eq!(both[index], zeros);
        }
    }

    #[test]
    fn the_pooled_variant_takes_the_largest_of_four_pixels() {
        let pooled = skipped(Shortcut::ZeropadMaxpool);
        assert_eq!(pooled[0], [6.0, 8.0, 14.0, 16.0]);
        assert_eq!(pooled[16], [0.0; 4]);
    }

    #[test]
    fn plain_nets_have_no_shortcut_and_residual_ones_do() {
        let device = Backend::Flex.open().unwrap();
        let images: Tensor<4> = Tensor::ones([2, 3, 32, 32], &device);
        let logits = |shortcut| {
            let logits = net(1, shortcut).init(7, &device).forward(images.clone());
            assert_eq!(logits.dims(), [2, 10]);
            weights::read(logits).unwrap()
        };
        // Both draw the same weights: only the shortcut can make a difference.
        assert_ne!(logits(Shortcut::None), logits(Shortcut::Zeropad));
    }

    #[test]
    fn names_read_back_and_depths_that_do_not_exist_are_refused() {
        for shortcut in Shortcut::ALL {
            assert_eq!(shortcut.to_string().parse::<Shortcut>().unwrap(), shortcut);
            let json = serde_json::to_string(&shortcut).unwrap();
            assert_eq!(json, format!("\"{shortcut}\""));
        }
        assert!("zeropadding".parse::<Shortcut>().is_err());
        assert!(net(0, Shortcut::None).check().is_err());
        assert!(net(1001, Shortcut::None).check().is_err());
        assert_eq!(net(200, Shortcut::Zeropad).layers(), 1202);
    }
}
