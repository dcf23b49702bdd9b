//! The forward pass that shows what each 3 × 3 layer responds, for Fig. 7.
//!
//! Each layer is computed twice: alone, to be seen, and joined with what follows it, as [`ResNet::forward`]
//! does. On a CPU that takes less time than addition and ReLU by themselves.

use burn::tensor::Tensor;

use super::{Block, ResNet};
use crate::architecture::Shortcut;
use crate::kernels::{Epilogue, global_avg_pool};
use crate::layers::{BatchNorm, Conv, conv_bn};

impl ResNet {
    /// As [`ResNet::forward`], on a device without autodiff, and shows `see` the response of each 3 × 3
    /// layer, first layer first: `[N, filters, H, W]`, after batch normalisation, before ReLU and
    /// addition.
    ///
    /// # Errors
    /// The first that `see` returns.
    pub fn observe<E>(
        &self,
        images: Tensor<4>,
        mut see: impl FnMut(Tensor<4>) -> Result<(), E>,
    ) -> Result<Tensor<2>, E> {
        let mut x = respond(images, &self.conv1, &self.bn1, Epilogue::Relu, &mut see)?;
        for block in [&self.layer1, &self.layer2, &self.layer3]
            .into_iter()
            .flatten()
        {
            x = block.observe(x, &mut see)?;
        }
        Ok(self.fc.forward(global_avg_pool(x)))
    }
}

impl Block {
    /// As [`Block::forward`].
    fn observe<E>(
        &self,
        x: Tensor<4>,
        see: &mut impl FnMut(Tensor<4>) -> Result<(), E>,
    ) -> Result<Tensor<4>, E> {
        let y = respond(x.clone(), &self.conv1, &self.bn1, Epilogue::Relu, see)?;
        let epilogue = match self.shortcut {
            Shortcut::None => Epilogue::Relu,
            _ => Epilogue::AddRelu(self.shortcut(x)),
        };
        respond(y, &self.conv2, &self.bn2, epilogue, see)
    }
}

/// The layer with what follows it, after `see` has seen its response.
fn respond<E>(
    x: Tensor<4>,
    conv: &Conv,
    bn: &BatchNorm,
    epilogue: Epilogue,
    see: &mut impl FnMut(Tensor<4>) -> Result<(), E>,
) -> Result<Tensor<4>, E> {
    see(conv_bn(x.clone(), conv, bn, Epilogue::Identity))?;
    Ok(conv_bn(x, conv, bn, epilogue))
}
