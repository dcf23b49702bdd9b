//! Initial weights: He et al.'s normal distribution for convolutions (Kaiming normal, fan-out,
//! gain of ReLU), PyTorch's default for the fully connected layer, and the identity for batch
//! normalisation.
//!
//! Drawn from our own generator, addressed by (seed, the parameter's name): no backend's
//! generator and no other layer can change a layer's weights. Unaware of networks.

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use random::Draw;

/// Draws the parameters of one network.
pub struct Init<'a> {
    pub seed: u64,
    pub device: &'a Device,
}

impl Init<'_> {
    /// A convolution's weight `[filters, channels, height, width]`: normal with mean 0 and variance
    /// 2 / (`filters` · `height` · `width`) (He et al. 2015, "Delving deep into rectifiers", eq. 14).
    pub fn conv(&self, name: &str, shape: [usize; 4]) -> Param<Tensor<4>> {
        let [filters, _, height, width] = shape;
        let std = (2.0 / (filters * height * width) as f64).sqrt();
        let mut draw = Draw::at(name, &[self.seed]);
        self.parameter(shape, || draw.normal() * std)
    }

    /// A linear layer's weight `[outputs, inputs]` or bias `[outputs]`: uniform within
    /// ±1 / √`inputs`, as PyTorch's `nn.Linear` does it.
    pub fn linear<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        inputs: usize,
    ) -> Param<Tensor<D>> {
        let mut draw = Draw::at(name, &[self.seed]);
        let bound = 1.0 / (inputs as f64).sqrt();
        self.parameter(shape, || (2.0 * draw.uniform() - 1.0) * bound)
    }

    /// `length` times the same value, learned from there on.
    pub fn constant(&self, length: usize, value: f64) -> Param<Tensor<1>> {
        self.parameter([length], || value)
    }

    fn parameter<const D: usize>(
        &self,
        shape: [usize; D],
        mut next: impl FnMut() -> f64,
    ) -> Param<Tensor<D>> {
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| next() as f32).collect();
        Param::from_data(TensorData::new(values, shape), self.device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Backend;

    fn moments(values: &[f32]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let square = values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / n;
        (mean, (square - mean * mean).sqrt())
    }

    #[test]
    fn convolutions_start_with_the_standard_deviation_of_fan_out() {
        let device = Backend::Flex.open().unwrap();
        let init = Init {
            seed: 3,
            device: &device,
        };
        let weight = init.conv("conv", [64, 32, 3, 3]).val().into_data();
        let (mean, std) = moments(&weight.try_to_vec::<f32>().unwrap());
        let expected = (2.0_f64 / (64.0 * 9.0)).sqrt();
        // 18,432 values: the standard error is 0.7 % of the mean's unit, 0.5 % of the deviation.
        assert!(mean.abs() < 0.03 * expected, "{mean}");
        assert!((std / expected - 1.0).abs() < 0.025, "{std} {expected}");
    }

    #[test]
    fn the_fully_connected_layer_starts_uniform_within_one_over_root_fan_in() {
        let device = Backend::Flex.open().unwrap();
        let init = Init {
            seed: 3,
            device: &device,
        };
        let weight = init.linear("fc.weight", [100, 64], 64).val().into_data();
        let values = weight.try_to_vec::<f32>().unwrap();
        let (mean, std) = moments(&values);
        assert!(values.iter().all(|x| x.abs() <= 0.125));
        assert!(values.iter().any(|x| x.abs() > 0.124));
        assert!(mean.abs() < 0.005, "{mean}");
        assert!((std - 0.125 / 3.0_f64.sqrt()).abs() < 0.002, "{std}");
        let bias = init.linear("fc.bias", [10], 64).val().into_data();
        assert!(
            bias.try_to_vec::<f32>()
                .unwrap()
                .iter()
                .all(|x| x.abs() <= 0.125)
        );
    }

    #[test]
    fn a_draw_depends_on_seed_and_name_alone() {
        let device = Backend::Flex.open().unwrap();
        let draw = |seed, name| {
            let init = Init {
                seed,
                device: &device,
            };
            let weight = init.conv(name, [16, 3, 3, 3]).val().into_data();
            weight.try_to_vec::<f32>().unwrap()
        };
        assert_eq!(draw(1, "a"), draw(1, "a"));
        assert_ne!(draw(1, "a"), draw(2, "a"));
        assert_ne!(draw(1, "a"), draw(1, "b"));
    }
}
