//! The forward pass that shows what each 3 × 3 layer responds, for Fig. 7.
//!
//! Each layer is computed twice: alone, to be seen, and joined with what follows it, as [`ResNet::forward`]
//! does. On a CPU that takes less time than addition and ReLU by themselves.

use burn::tensor::Tensor;

use super::{Block, ResNet};
use crate::kernels::{Epilogue, global_avg_pool};
use crate::layers::{Layer, conv_bn, skipped};

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
        let first = (&self.conv1, &self.bn1);
        let mut x = respond(images, first, Epilogue::Relu, &mut see)?;
        for block in [&self.layer1, &self.layer2, &self.layer3]
            .into_iter()
            .flatten()
        {
            x = block.observe(x, &mut see)?;
        }
        Ok(self.fc.forward(global_avg_pool(x.into())))
    }
}

impl Block {
    /// As [`Block::forward`].
    fn observe<E>(
        &self,
        x: Tensor<4>,
        see: &mut impl FnMut(Tensor<4>) -> Result<(), E>,
    ) -> Result<Tensor<4>, E> {
        let [_, channels, _, _] = x.dims();
        let [first, second] = self.layers();
        let y = respond(x.clone(), first, Epilogue::Relu, see)?;
        let epilogue = match self.shortcut(channels) {
            None => Epilogue::Relu,
            Some(shortcut) => Epilogue::AddRelu(skipped(x, shortcut)),
        };
        respond(y, second, epilogue, see)
    }
}

/// The layer with what follows it, after `see` has seen its response.
fn respond<E>(
    x: Tensor<4>,
    layer: Layer,
    epilogue: Epilogue,
    see: &mut impl FnMut(Tensor<4>) -> Result<(), E>,
) -> Result<Tensor<4>, E> {
    see(conv_bn(x.clone(), layer, Epilogue::Identity))?;
    Ok(conv_bn(x, layer, epilogue))
}
