//! The geometry of the nets: their layers, what these are called, and the shapes of their tensors.
//! Whoever builds, counts, names or checks tensors asks here.
//!
//! Unaware of values, devices and files.

use std::fmt;
use std::iter::once;
use std::str::FromStr;

use anyhow::{Result, bail, ensure};
use serde::{Deserialize, Serialize};

use cifar::{CHANNELS, CLASSES, SIDE};

/// Filters of the three stages.
pub const FILTERS: [usize; 3] = [16, 32, 64];

/// The side of the three stages' maps, in pixels.
const SIDES: [usize; 3] = [SIDE, SIDE / 2, SIDE / 4];

/// The shape of the fully connected layer's weights, `[outputs, inputs]`.
pub const LINEAR: [usize; 2] = [CLASSES, FILTERS[2]];

/// Most blocks of a stage: more than anyone has tried.
pub const MAX_N: u32 = 1_000;

/// The tensors of a batch normalisation.
const NORM: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];

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
        let conv_bn = |layer: ConvLayer| layer.weights() + 2 * layer.shape()[0] as u64;
        self.convs().map(conv_bn).sum::<u64>() + (LINEAR[0] * LINEAR[1] + CLASSES) as u64
    }

    /// Multiply-adds of convolutions and fully connected layer for one image.
    pub fn multiply_adds(&self) -> u64 {
        let conv = |layer: ConvLayer| layer.weights() * layer.out_pixels();
        self.convs().map(conv).sum::<u64>() + (LINEAR[0] * LINEAR[1]) as u64
    }

    /// The convolutions, stage by stage, each stage's projection last.
    pub fn convs(&self) -> impl Iterator<Item = ConvLayer> {
        let stages = (0..FILTERS.len()).flat_map(|stage| {
            let halves = (0..self.n)
                .flat_map(move |index| [0, 1].map(|half| ConvLayer::Block { stage, index, half }));
            halves.chain(self.projection(stage, 0))
        });
        once(ConvLayer::Stem).chain(stages)
    }

    /// Whether the shortcuts past the first blocks of stages 2 and 3 are learned.
    pub fn projects(&self) -> bool {
        self.shortcut == Shortcut::Conv1x1Proj
    }

    /// The learned shortcut past block `index` of `stage`, both from 0, where it has one.
    pub fn projection(&self, stage: usize, index: u32) -> Option<ConvLayer> {
        let projects = self.projects() && stage > 0 && index == 0;
        projects.then_some(ConvLayer::Projection { stage })
    }

    /// The name and shape of every tensor, running statistics included.
    pub fn tensors(&self, names: &Names) -> impl Iterator<Item = (String, Vec<usize>)> {
        let convs = self.convs().flat_map(|layer| {
            let ([conv, bn], shape) = (names.of(layer), layer.shape());
            let norm = NORM.map(|part| (format!("{bn}.{part}"), vec![shape[0]]));
            once((format!("{conv}.weight"), shape.to_vec())).chain(norm)
        });
        convs.chain([
            (format!("{}.weight", names.linear), LINEAR.to_vec()),
            (format!("{}.bias", names.linear), vec![CLASSES]),
        ])
    }
}

/// The place of a convolution and its batch normalisation in a net.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConvLayer {
    Stem,
    /// The first (0) or second (1) 3 × 3 convolution of block `index` of `stage`, from 0.
    Block {
        stage: usize,
        index: u32,
        half: usize,
    },
    /// The 1 × 1 convolution past the first block of `stage`.
    Projection {
        stage: usize,
    },
}

impl ConvLayer {
    /// The shape of the weights: filters, channels, height and width.
    pub fn shape(self) -> [usize; 4] {
        match self {
            ConvLayer::Stem => [FILTERS[0], CHANNELS, 3, 3],
            ConvLayer::Block {
                stage: stage @ 1..,
                index: 0,
                half: 0,
            } => [FILTERS[stage], FILTERS[stage - 1], 3, 3],
            ConvLayer::Block { stage, .. } => [FILTERS[stage], FILTERS[stage], 3, 3],
            ConvLayer::Projection { stage } => [FILTERS[stage], FILTERS[stage - 1], 1, 1],
        }
    }

    /// 2 where the layer halves the maps, else 1.
    pub fn stride(self) -> usize {
        match self {
            ConvLayer::Block {
                stage: 1..,
                index: 0,
                half: 0,
            }
            | ConvLayer::Projection { .. } => 2,
            _ => 1,
        }
    }

    /// Pixels of one map of the output.
    fn out_pixels(self) -> u64 {
        let side = match self {
            ConvLayer::Stem => SIDES[0],
            ConvLayer::Block { stage, .. } | ConvLayer::Projection { stage } => SIDES[stage],
        };
        (side * side) as u64
    }

    fn weights(self) -> u64 {
        self.shape().iter().product::<usize>() as u64
    }
}

/// What a code base calls the layers.
pub struct Names {
    /// The first convolution and its batch normalisation.
    pub stem: [&'static str; 2],
    /// Block `index` of `stage`, both from 0; in it are conv1, bn1, conv2 and bn2.
    pub block: fn(usize, u32) -> String,
    /// A projection's convolution and batch normalisation, in their block; none where the code
    /// has no projections.
    pub projection: Option<[&'static str; 2]>,
    /// The fully connected layer.
    pub linear: &'static str,
}

/// fig6's own names, which are those of nabla0001/resnet: the fields of [`crate::resnet::ResNet`].
pub const NAMES: Names = Names {
    stem: ["conv1", "bn1"],
    block: |stage, index| format!("layer{}.{index}", stage + 1),
    projection: Some(["skip_connection.conv", "skip_connection.bn"]),
    linear: "fc",
};

impl Names {
    /// The names of a layer's convolution and batch normalisation.
    pub fn of(&self, layer: ConvLayer) -> [String; 2] {
        match layer {
            ConvLayer::Stem => self.stem.map(str::to_owned),
            ConvLayer::Block { stage, index, half } => {
                let block = (self.block)(stage, index);
                ["conv", "bn"].map(|part| format!("{block}.{part}{}", half + 1))
            }
            ConvLayer::Projection { stage } => {
                let block = (self.block)(stage, 0);
                let parts = self.projection.unwrap_or_default();
                parts.map(|part| format!("{block}.{part}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
