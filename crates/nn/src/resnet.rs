//! The networks of He et al. 2015, section 4.2, for 3 × 32 × 32 images and 10 classes:
//!
//! | output map | 32 × 32 | 16 × 16 | 8 × 8 |
//! |---|---|---|---|
//! | 3 × 3 convolutions | 1 + 2n | 2n | 2n |
//! | filters | 16 | 32 | 64 |
//!
//! then global average pooling and a fully connected layer: 6n + 2 weighted layers. Batch
//! normalisation follows each convolution. A residual net has a shortcut past every two 3 × 3
//! convolutions of a stage; the plain net is the same without.
//!
//! Unaware of data, training and files; the layers' shapes are in [`crate::architecture`].

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::architecture::{Architecture, ConvLayer, FILTERS, LINEAR, NAMES, Shortcut};
use super::init::Init;
use super::kernels::{Downsample, Map, Skip, global_avg_pool};
use super::layers::{BatchNorm, Conv, Layer, Linear, conv_bn_relu, residual};

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
    /// Normalised images `[N, 3, 32, 32]` to logits `[N, 10]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = conv_bn_relu(images.into(), (&self.conv1, &self.bn1)); // [N, 16, 32, 32]
        let stages = [&self.layer1, &self.layer2, &self.layer3];
        let blocks = stages.into_iter().flatten();
        let x = blocks.fold(x, |x, block| block.forward(x)); // [N, 64, 8, 8]
        self.fc.forward(global_avg_pool(x)) // [N, 64] → [N, 10]
    }
}

/// Two 3 × 3 convolutions, F, and the shortcut past them.
#[derive(Module, Debug)]
struct Block {
    conv1: Conv,
    bn1: BatchNorm,
    conv2: Conv,
    bn2: BatchNorm,
    skip_connection: Option<Projection>,
    #[module(skip)]
    shortcut: Shortcut,
    #[module(skip)]
    filters: usize,
}

/// The learned shortcut (option B): a 1 × 1 convolution of stride 2.
#[derive(Module, Debug)]
struct Projection {
    conv: Conv,
    bn: BatchNorm,
}

impl Block {
    /// y = relu(F(x) + shortcut(x)); in a plain net y = relu(F(x)).
    fn forward(&self, x: Map) -> Map {
        let [_, channels, _, _] = x.dims();
        match self.shortcut(channels) {
            Some(shortcut) => residual(x, self.layers(), shortcut),
            None => self.layers().into_iter().fold(x, conv_bn_relu),
        }
    }

    fn layers(&self) -> [Layer<'_>; 2] {
        [(&self.conv1, &self.bn1), (&self.conv2, &self.bn2)]
    }

    /// None in a plain net; else the identity, or where the block halves the maps and doubles the
    /// channels `[N, C, H, W]` → `[N, 2C, H / 2, W / 2]`.
    fn shortcut(&self, channels: usize) -> Option<Skip<Layer<'_>>> {
        if let Some(Projection { conv, bn }) = &self.skip_connection {
            return Some(Skip::Projection((conv, bn)));
        }
        let zeros = self.filters - channels;
        Some(match self.shortcut {
            Shortcut::None => return None,
            _ if zeros == 0 => Skip::Identity,
            Shortcut::ZeropadBothSides => Skip::Pad(Downsample::EveryOther, [zeros / 2; 2]),
            Shortcut::ZeropadMaxpool => Skip::Pad(Downsample::MaxPool, [0, zeros]),
            _ => Skip::Pad(Downsample::EveryOther, [0, zeros]),
        })
    }
}

impl ResNet {
    /// The network with its initial weights for `seed`, on `device`.
    pub fn new(architecture: &Architecture, seed: u64, device: &Device) -> ResNet {
        let init = Init { seed, device };
        let stage = |stage| {
            let blocks = 0..architecture.n;
            blocks
                .map(|index| Block::new(&init, architecture, stage, index))
                .collect()
        };
        let (conv1, bn1) = layer(&init, ConvLayer::Stem);
        ResNet {
            conv1,
            bn1,
            layer1: stage(0),
            layer2: stage(1),
            layer3: stage(2),
            fc: Linear::new(&init, NAMES.linear, LINEAR),
        }
    }

    /// The device that the network is on.
    pub fn device(&self) -> Device {
        self.conv1.device()
    }
}

impl Block {
    fn new(init: &Init, architecture: &Architecture, stage: usize, index: u32) -> Block {
        let conv = |half| layer(init, ConvLayer::Block { stage, index, half });
        let ((conv1, bn1), (conv2, bn2)) = (conv(0), conv(1));
        let projection = architecture.projection(stage, index);
        Block {
            conv1,
            bn1,
            conv2,
            bn2,
            skip_connection: projection.map(|place| {
                let (conv, bn) = layer(init, place);
                Projection { conv, bn }
            }),
            shortcut: architecture.shortcut,
            filters: FILTERS[stage],
        }
    }
}

fn layer(init: &Init, place: ConvLayer) -> (Conv, BatchNorm) {
    let ([name, _], shape) = (NAMES.of(place), place.shape());
    let conv = Conv::new(init, &name, shape, place.stride());
    (conv, BatchNorm::new(init, shape[0]))
}

mod observe;

#[cfg(test)]
mod tests;
