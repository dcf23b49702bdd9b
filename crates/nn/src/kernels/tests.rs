//! Whoever computes the layers, they come out as burn's own operations give them, with the same
//! gradients.

use burn::tensor::{Device, Tensor, TensorData};

use super::*;
use crate::device::{Backend, tested};
use crate::transfers::read;
use random::Draw;

type TrainBlock = fn(Map, [ConvBn; 2], Skip<ConvBn>) -> (Map, Vec<BatchStats>);

/// The operations under test, and those that they are held against.
struct Operations {
    train: fn(Map, ConvBn) -> (Map, BatchStats),
    train_block: TrainBlock,
    infer: fn(Tensor<4>, ConvBn, Tensor<1>, Tensor<1>, Epilogue) -> Tensor<4>,
    zero_pad: ZeroPad,
    global_avg_pool: fn(Map) -> Tensor<2>,
}

const ROUTED: Operations = Operations {
    train,
    train_block,
    infer,
    zero_pad,
    global_avg_pool,
};

const PORTABLE: Operations = Operations {
    train: |x, conv| single(portable::train, x, conv),
    train_block: |x, layers, skip| composed(portable::train, portable::zero_pad, x, layers, skip),
    infer: portable::infer,
    zero_pad: portable::zero_pad,
    global_avg_pool: |x| portable::global_avg_pool(x.tensor),
};

fn numbers(name: &str, count: usize) -> Vec<f32> {
    let mut draw = Draw::at(name, &[0]);
    (0..count).map(|_| draw.normal() as f32).collect()
}

fn tensor<const D: usize>(name: &str, shape: [usize; D], device: &Device) -> Tensor<D> {
    let data = TensorData::new(numbers(name, shape.iter().product()), shape);
    let tensor = Tensor::from_data(data, device);
    if device.is_autodiff() {
        tensor.require_grad()
    } else {
        tensor
    }
}

/// The parameters of a layer, all drawn.
struct Parameters {
    weights: Tensor<4>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    stride: usize,
}

impl Parameters {
    fn new(name: &str, shape: [usize; 4], stride: usize, device: &Device) -> Parameters {
        Parameters {
            weights: tensor(&format!("{name} weights"), shape, device),
            scale: tensor(&format!("{name} scale"), [shape[0]], device),
            shift: tensor(&format!("{name} shift"), [shape[0]], device),
            stride,
        }
    }

    fn conv(&self) -> ConvBn {
        ConvBn {
            weights: self.weights.clone(),
            stride: self.stride,
            scale: self.scale.clone(),
            shift: self.shift.clone(),
            epsilon: 1e-5,
        }
    }
}

/// What a small network says of an input, and every gradient: a layer, a block on its output, and a
/// block that halves the maps with `downsample` or, without it, a learned projection beside it; then
/// one more layer if the net is to end with one.
fn network(
    operations: &Operations,
    downsample: Option<Downsample>,
    ends_plain: bool,
    device: &Device,
) -> Vec<(String, Vec<f32>)> {
    let Operations {
        train,
        train_block,
        global_avg_pool,
        ..
    } = operations;
    let x: Tensor<4> = tensor("x", [3, 16, 6, 8], device);
    let layer = |name: &str, shape, stride| Parameters::new(name, shape, stride, device);
    let layers = [
        layer("a", [16, 16, 3, 3], 1),
        layer("b", [16, 16, 3, 3], 1),
        layer("c", [16, 16, 3, 3], 1),
        layer("d", [32, 16, 3, 3], 2),
        layer("e", [32, 32, 3, 3], 1),
        layer("f", [32, 32, 3, 3], 1),
        layer("g", [32, 16, 1, 1], 2),
    ];
    let [a, b, c, d, e, f, g] = layers.each_ref().map(Parameters::conv);
    let (y, batch) = train(x.clone().into(), a);
    let y = train_block(y, [b, c], Skip::Identity).0;
    let skip = match downsample {
        Some(downsample) => Skip::Pad(downsample, [5, 11]),
        None => Skip::Projection(g),
    };
    let (mut y, batches) = train_block(y, [d, e], skip);
    if ends_plain {
        y = train(y, f).0;
    }
    let means = global_avg_pool(y);
    let slope: Tensor<2> = Tensor::from_inner(tensor("slope", [3, 32], &device.clone().inner()));
    let gradients = (means.clone() * slope).sum().backward();
    let last = batches.into_iter().last().unwrap();
    let mut found = vec![
        ("last mean".to_owned(), read(last.mean.inner()).unwrap()),
        ("means".to_owned(), read(means.inner()).unwrap()),
        ("mean".to_owned(), read(batch.mean.inner()).unwrap()),
        ("variance".to_owned(), read(batch.variance.inner()).unwrap()),
        ("x".to_owned(), read(x.grad(&gradients).unwrap()).unwrap()),
    ];
    let unused = |index| (index == 5 && !ends_plain) || (index == 6 && downsample.is_some());
    for (index, layer) in layers
        .iter()
        .enumerate()
        .filter(|(index, _)| !unused(*index))
    {
        let vectors = [layer.scale.grad(&gradients), layer.shift.grad(&gradients)];
        let [scale, shift] = vectors.map(|gradient| read(gradient.unwrap()).unwrap());
        let weights = read(layer.weights.grad(&gradients).unwrap()).unwrap();
        found.push((format!("weights {index}"), weights));
        found.push((format!("scale {index}"), scale));
        found.push((format!("shift {index}"), shift));
    }
    found
}

fn close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0_f32, |a, x| a.max(x.abs()));
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        let off = (found - expected).abs();
        assert!(
            off <= 1e-4 * largest.max(1e-3),
            "{what} at {place}: {found}, not {expected}"
        );
    }
}

#[test]
fn every_backend_trains_as_burns_own_operations_do() {
    let reference = Backend::Flex.open().unwrap().autodiff();
    let downsamples = [
        Some(Downsample::EveryOther),
        Some(Downsample::MaxPool),
        None,
    ];
    for (downsample, ends_plain) in downsamples
        .into_iter()
        .flat_map(|d| [(d, false), (d, true)])
    {
        let expected = network(&PORTABLE, downsample, ends_plain, &reference);
        for backend in tested() {
            let device = backend.open().unwrap().autodiff();
            let found = network(&ROUTED, downsample, ends_plain, &device);
            for ((name, found), (_, expected)) in found.iter().zip(&expected) {
                close(
                    found,
                    expected,
                    &format!("{name} on {backend}, {downsample:?}, {ends_plain}"),
                );
            }
        }
    }
}

#[test]
fn the_product_without_a_matrix_multiplication_is_the_same() {
    for backend in tested() {
        let device = backend.open().unwrap();
        let x = || tensor("x", [5, 64], &device);
        let weights = || tensor("weights", [10, 64], &device);
        let expected = read(x().matmul(weights().transpose())).unwrap();
        for found in [linear(x(), weights()), portable::linear(x(), weights())] {
            close(&read(found).unwrap(), &expected, &format!("on {backend}"));
        }
    }
}

#[test]
fn every_backend_infers_as_burns_own_operations_do() {
    let outputs = |operations: &Operations, device: &Device| -> Vec<Vec<f32>> {
        let Operations {
            infer,
            zero_pad,
            global_avg_pool,
            ..
        } = operations;
        let layer = Parameters::new("a", [32, 5, 3, 3], 2, device);
        let statistics = || {
            let variance: Tensor<1> = tensor("variance", [32], device);
            (tensor("mean", [32], device), variance.abs())
        };
        let x: Tensor<4> = tensor("x", [3, 5, 7, 8], device);
        let skips = [
            Epilogue::Identity,
            Epilogue::Relu,
            Epilogue::AddRelu(tensor("skip", [3, 32, 4, 4], device)),
        ];
        let layers = skips.map(|epilogue| {
            let (means, variance) = statistics();
            read(infer(x.clone(), layer.conv(), means, variance, epilogue)).unwrap()
        });
        let padded = read(zero_pad(x.clone(), Downsample::EveryOther, [1, 2])).unwrap();
        layers
            .into_iter()
            .chain([padded, read(global_avg_pool(x.clone().into())).unwrap()])
            .collect()
    };
    let expected = outputs(&PORTABLE, &Backend::Flex.open().unwrap());
    for backend in tested() {
        let found = outputs(&ROUTED, &backend.open().unwrap());
        for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
            close(found, expected, &format!("output {index} on {backend}"));
        }
    }
}

#[test]
fn every_backend_takes_a_step_of_sgd_as_burns_own_operations_do_bit_by_bit() {
    let config = SgdConfig {
        learning_rate: 0.1,
        momentum: 0.9,
        weight_decay: 1e-4,
    };
    type Sgd = fn(Vec<SgdStep>, SgdConfig) -> Vec<[Tensor<1>; 2]>;
    let portable: Sgd = |steps, config| {
        let steps = steps.into_iter();
        steps.map(|step| portable::sgd(step, config)).collect()
    };
    // Two steps for parameters of three sizes: in the first there is no momentum buffer yet.
    let steps = |sgd: Sgd, device: &Device| {
        let sizes = [1_000, 1, 77];
        let update = |state: Vec<(Tensor<1>, Option<Tensor<1>>)>, name: &str| {
            let state = state.into_iter().zip(sizes);
            let steps = state.map(|((weights, momentum_buffer), size)| SgdStep {
                weights,
                gradient: tensor(name, [size], device),
                momentum_buffer,
            });
            sgd(steps.collect(), config)
        };
        let start = sizes.map(|size| (tensor("weights", [size], device), None));
        let first = update(start.into(), "first").into_iter();
        let first = first.map(|[weights, buffer]| (weights, Some(buffer)));
        let second = update(first.collect(), "second").into_iter();
        let read = |values| read(values).unwrap();
        second.map(|both| both.map(read)).collect::<Vec<_>>()
    };
    let expected = steps(portable, &Backend::Flex.open().unwrap());
    for backend in tested() {
        let found = steps(sgd, &backend.open().unwrap());
        assert!(found == expected, "{backend}");
    }
}
