//! Whoever computes the layers, they come out as burn's own operations give them, with the same
//! gradients.

use burn::tensor::{Device, Tensor, TensorData};

use super::*;
use crate::device::{Backend, tested};
use crate::transfers::read;
use random::Draw;

/// The operations under test, and those that they are held against.
struct Operations {
    train: fn(Tensor<4>, ConvBn, Epilogue) -> (Tensor<4>, BatchStats),
    infer: fn(Tensor<4>, ConvBn, Tensor<1>, Tensor<1>, Epilogue) -> Tensor<4>,
    zero_pad: fn(Tensor<4>, Downsample, [usize; 2]) -> Tensor<4>,
    fork: fn(Tensor<4>) -> [Tensor<4>; 2],
    global_avg_pool: fn(Tensor<4>) -> Tensor<2>,
}

const ROUTED: Operations = Operations {
    train,
    infer,
    zero_pad,
    fork,
    global_avg_pool,
};

const PORTABLE: Operations = Operations {
    train: portable::train,
    infer: portable::infer,
    zero_pad: portable::zero_pad,
    fork: |x| [x.clone(), x],
    global_avg_pool: portable::global_avg_pool,
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

/// What a small network says of an input, and every gradient: two layers and their skip, then two
/// that halve the maps beside `downsample` or, without it, a learned projection.
fn network(
    operations: &Operations,
    downsample: Option<Downsample>,
    device: &Device,
) -> Vec<(String, Vec<f32>)> {
    let Operations {
        train,
        zero_pad,
        fork,
        global_avg_pool,
        ..
    } = operations;
    let x: Tensor<4> = tensor("x", [3, 16, 6, 8], device);
    let layer = |name: &str, shape, stride| Parameters::new(name, shape, stride, device);
    let layers = [
        layer("a", [16, 16, 3, 3], 1),
        layer("b", [16, 16, 3, 3], 1),
        layer("c", [32, 16, 3, 3], 2),
        layer("d", [32, 32, 3, 3], 1),
        layer("e", [32, 16, 1, 1], 2),
    ];
    let [a, b, c, d, e] = layers.each_ref().map(Parameters::conv);
    let [main, skip] = fork(x.clone());
    let (first, batch) = train(main, a, Epilogue::Relu);
    let y = train(first, b, Epilogue::AddRelu(skip)).0;
    let [main, skip] = fork(y);
    let y = train(main, c, Epilogue::Relu).0;
    let skip = match downsample {
        Some(downsample) => zero_pad(skip, downsample, [5, 11]),
        None => train(skip, e, Epilogue::Identity).0,
    };
    let y = train(y, d, Epilogue::AddRelu(skip)).0;
    let means = global_avg_pool(y);
    let slope: Tensor<2> = Tensor::from_inner(tensor("slope", [3, 32], &device.clone().inner()));
    let gradients = (means.clone() * slope).sum().backward();
    let mut found = vec![
        ("means".to_owned(), read(means.inner()).unwrap()),
        ("mean".to_owned(), read(batch.mean.inner()).unwrap()),
        ("variance".to_owned(), read(batch.variance.inner()).unwrap()),
        ("x".to_owned(), read(x.grad(&gradients).unwrap()).unwrap()),
    ];
    for (index, layer) in layers
        .iter()
        .enumerate()
        .take(if downsample.is_some() { 4 } else { 5 })
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
    for downsample in [
        Some(Downsample::EveryOther),
        Some(Downsample::MaxPool),
        None,
    ] {
        let expected = network(&PORTABLE, downsample, &reference);
        for backend in tested() {
            let found = network(&ROUTED, downsample, &backend.open().unwrap().autodiff());
            for ((name, found), (_, expected)) in found.iter().zip(&expected) {
                close(
                    found,
                    expected,
                    &format!("{name} on {backend}, {downsample:?}"),
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
            .chain([padded, read(global_avg_pool(x.clone())).unwrap()])
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
