//! The forward pass that shows what each 3 × 3 layer responds, for Fig. 7.
//!
//! Slower than [`ResNet::forward`], because nothing that follows a layer is joined with it.

use burn::tensor::Tensor;
use burn::tensor::activation::relu;

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
        let mut x = relu(respond(images, (&self.conv1, &self.bn1), &mut see)?);
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
        let y = relu(respond(x.clone(), first, see)?);
        let y = respond(y, second, see)?;
        Ok(match self.shortcut(channels) {
            None => relu(y),
            Some(shortcut) => relu(y + skipped(x, shortcut)),
        })
    }
}

/// The layer's response, which `see` has seen.
fn respond<E>(
    x: Tensor<4>,
    layer: Layer,
    see: &mut impl FnMut(Tensor<4>) -> Result<(), E>,
) -> Result<Tensor<4>, E> {
    let response = conv_bn(x, layer, Epilogue::Identity);
    see(response.clone())?;
    Ok(response)
}
