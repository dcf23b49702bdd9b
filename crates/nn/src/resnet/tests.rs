//! The networks as they are built.

use super::*;
use crate::device::Backend;
use crate::{transfers, weights};

fn net(n: u32, shortcut: Shortcut) -> Architecture {
    Architecture { n, shortcut }
}

#[test]
fn the_count_is_that_of_the_network_as_it_is_built() {
    let device = Backend::Flex.open().unwrap();
    for shortcut in Shortcut::ALL {
        for n in [1, 3] {
            let state = weights::state(&ResNet::new(&net(n, shortcut), 0, &device)).unwrap();
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
        let state = weights::state(&ResNet::new(&net(3, shortcut), 11, &device)).unwrap();
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
    let block = Block::new(&init, &net(1, shortcut), 1, 0);
    let values: Vec<f32> = (1..=16 * 16).map(|value| value as f32).collect();
    let data = burn::tensor::TensorData::new(values, [1, 16, 4, 4]);
    let x = Tensor::from_data(data, &device);
    let output = crate::layers::skipped(x, block.shortcut(16).unwrap());
    assert_eq!(output.dims(), [1, 32, 2, 2]);
    let output = transfers::read(output).unwrap();
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
        let logits = ResNet::new(&net(1, shortcut), 7, &device).forward(images.clone());
        assert_eq!(logits.dims(), [2, 10]);
        transfers::read(logits).unwrap()
    };
    // Both draw the same weights: only the shortcut can make a difference.
    assert_ne!(logits(Shortcut::None), logits(Shortcut::Zeropad));
}
