//! The kernels against what their definitions say, written out in `f64`, and against differences.

use pulp::Arch;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::*;

mod chains;
mod pads;

const EPSILON: f64 = 1e-5;

/// Shapes of the networks' layers, smaller, and shapes that fill no tile and no block.
const SHAPES: [Geometry; 11] = [
    shape([2, 3, 8, 8], 16, 3, 1),
    shape([3, 16, 8, 8], 16, 3, 1),
    shape([2, 16, 8, 8], 32, 3, 2),
    shape([2, 32, 4, 4], 64, 3, 2),
    shape([9, 16, 6, 5], 16, 3, 1),
    shape([2, 32, 6, 8], 48, 3, 1),
    shape([9, 64, 4, 4], 32, 3, 1),
    shape([2, 16, 7, 5], 32, 3, 2),
    shape([2, 16, 8, 6], 32, 1, 2),
    shape([2, 5, 3, 3], 16, 1, 1),
    shape([1, 7, 9, 9], 16, 5, 3),
];

const fn shape(
    [images, channels, height, width]: [usize; 4],
    filters: usize,
    size: usize,
    stride: usize,
) -> Geometry {
    Geometry {
        images,
        channels,
        height,
        width,
        filters,
        size,
        stride,
    }
}

/// Numbers between −1 and 1.
fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut number = || rng.next_u32() as f32 / 2.0_f32.powi(31) - 1.0;
    (0..count).map(|_| number()).collect()
}

/// One layer with everything that goes into it.
struct Case {
    geometry: Geometry,
    x: Vec<f32>,
    weights: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    skip: Option<Vec<f32>>,
    relu: bool,
}

impl Case {
    fn new(geometry: Geometry, relu: bool, with_skip: bool) -> Case {
        let g = geometry;
        Case {
            geometry,
            x: numbers(1, g.images * g.input()),
            weights: numbers(2, g.weights()),
            scale: numbers(3, g.filters),
            shift: numbers(4, g.filters),
            skip: with_skip.then(|| numbers(5, g.images * g.output())),
            relu,
        }
    }

    /// The convolution by its definition, `[images, height, width, filters]`.
    fn convolved(&self) -> Vec<f64> {
        let g = &self.geometry;
        let mut out = Vec::new();
        for image in 0..g.images {
            for y in 0..g.out_height() {
                for x in 0..g.out_width() {
                    for filter in 0..g.filters {
                        out.push(self.at(image, y, x, filter));
                    }
                }
            }
        }
        out
    }

    fn at(&self, image: usize, y: usize, x: usize, filter: usize) -> f64 {
        let g = &self.geometry;
        let mut sum = 0.0;
        for (down, across) in (0..g.size).flat_map(|down| (0..g.size).map(move |x| (down, x))) {
            let (Some(row), Some(column)) = (
                (y * g.stride + down).checked_sub(g.border()),
                (x * g.stride + across).checked_sub(g.border()),
            ) else {
                continue;
            };
            if row >= g.height || column >= g.width {
                continue;
            }
            for channel in 0..g.channels {
                let place = ((image * g.height + row) * g.width + column) * g.channels + channel;
                let weight = g.weight(filter, channel, down, across);
                sum += f64::from(self.x[place]) * f64::from(self.weights[weight]);
            }
        }
        sum
    }

    /// The layer's output by its definition.
    fn output(&self) -> Vec<f64> {
        let map = self.convolved();
        let filters = self.geometry.filters;
        let of = |filter: usize| map.iter().skip(filter).step_by(filters);
        let count = (map.len() / filters) as f64;
        let means: Vec<f64> = (0..filters).map(|f| of(f).sum::<f64>() / count).collect();
        let variance = |f: usize| of(f).map(|x| (x - means[f]).powi(2)).sum::<f64>() / count;
        let variances: Vec<f64> = (0..filters).map(variance).collect();
        let value = |(place, x): (usize, &f64)| {
            let f = place % filters;
            let normal = (x - means[f]) / (variances[f] + EPSILON).sqrt();
            let skip = self
                .skip
                .as_ref()
                .map_or(0.0, |skip| f64::from(skip[place]));
            let sum = normal * f64::from(self.scale[f]) + f64::from(self.shift[f]) + skip;
            if self.relu { sum.max(0.0) } else { sum }
        };
        map.iter().enumerate().map(value).collect()
    }

    fn on(&self, arch: Arch) -> Layer<'_> {
        Layer {
            arch,
            geometry: self.geometry,
            weights: &self.weights,
        }
    }

    /// The convolution, and what follows it.
    fn train(&self, arch: Arch) -> (Convolved, Vec<f32>) {
        let done = train(&self.on(arch), Input::Plain(&self.x), EPSILON);
        let affine = done.norm.affine(&self.scale, &self.shift);
        let skip = self.skip.as_deref().map(|skip| Skip {
            x: Input::Plain(skip),
            pad: None,
        });
        let images = self.geometry.images;
        let out = match self.relu {
            true => activate(arch, images, (&done.map, &affine), skip),
            false => {
                let normalised = Input::Normalised {
                    values: &done.map,
                    affine: &affine,
                    relu: false,
                };
                normalised.map(arch, &mut Vec::new()).to_vec()
            }
        };
        (done, out)
    }

    /// Gradients of `Σ output · slope`, the skip's last.
    fn backward(&self, arch: Arch, slope: &[f32]) -> [Vec<f32>; 5] {
        let (done, out) = self.train(arch);
        let saved = Saved {
            x: Input::Plain(&self.x),
            scale: &self.scale,
            map: &done.map,
            norm: &done.norm,
        };
        let source = Source {
            map: &done.map,
            norm: &done.norm,
        };
        let mut gradient = slope.to_vec();
        let out = self.relu.then_some(Input::Plain(&out));
        let sums = relu_backward(arch, self.geometry.images, &source, out, &mut gradient);
        let onward = Onward {
            skip: None,
            source: None,
        };
        let found = backward(&self.on(arch), &saved, &gradient, &sums, Some(&onward));
        let [scale, shift] = found.scale;
        [found.x.unwrap(), found.weights, scale, shift, gradient]
    }
}

fn close(found: &[f32], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0_f64, |a, x| a.max(x.abs()));
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        let off = (f64::from(*found) - expected).abs();
        assert!(
            off <= tolerance * largest.max(1.0),
            "{what} at {place}: {found}, not {expected}"
        );
    }
}

fn layers() -> impl Iterator<Item = Case> {
    let kinds = [(false, false), (true, false), (true, true)];
    SHAPES.into_iter().flat_map(move |geometry| {
        kinds.map(|(relu, with_skip)| Case::new(geometry, relu, with_skip))
    })
}

/// The widest instructions that there are, narrower ones, and plain ones.
fn instructions() -> Vec<Arch> {
    #[allow(unused_mut, reason = "used where there are narrower ones")]
    let mut all = vec![Arch::new()];
    #[cfg(target_arch = "x86_64")]
    all.extend(pulp::x86::V3::try_new().map(Arch::V3));
    all.push(Arch::Scalar);
    all
}

#[test]
fn every_layer_computes_its_definition_with_any_instructions() {
    for layer in layers() {
        let (map, output) = (layer.convolved(), layer.output());
        for arch in instructions() {
            let done = layer.train(arch);
            let what = format!("{:?} on {arch:?}", layer.geometry);
            close(&done.0.map, &map, 1e-6, &what);
            close(&done.1, &output, 2e-5, &what);
        }
    }
}

#[test]
fn inference_is_training_with_statistics_given() {
    for layer in layers() {
        let (done, trained) = layer.train(Arch::new());
        let epilogue = Epilogue {
            affine: &done.norm.affine(&layer.scale, &layer.shift),
            skip: layer.skip.as_deref(),
            relu: layer.relu,
        };
        let out = infer(&layer.on(Arch::new()), &layer.x, &epilogue);
        assert!(out == trained, "{:?}", layer.geometry);
    }
}

#[test]
fn gradients_are_the_slopes_of_the_definition() {
    for layer in layers() {
        let g = layer.geometry;
        let slope = numbers(6, g.images * g.output());
        let loss = |layer: &Case| -> f64 {
            let output = layer.output();
            output
                .iter()
                .zip(&slope)
                .map(|(x, slope)| x * f64::from(*slope))
                .sum()
        };
        let found = layer.backward(Arch::new(), &slope);
        // So small that hardly a ReLU's kink lies between.
        let step = 1.0 / 65536.0;
        for (which, found) in found.iter().enumerate() {
            // A few of each, spread over all.
            for place in (0..found.len()).step_by(found.len().div_ceil(7)) {
                let moved = |by: f32| {
                    let mut layer = Case::new(g, layer.relu, layer.skip.is_some());
                    let values = match which {
                        0 => &mut layer.x,
                        1 => &mut layer.weights,
                        2 => &mut layer.scale,
                        3 => &mut layer.shift,
                        _ => match &mut layer.skip {
                            Some(skip) => skip,
                            None => return None,
                        },
                    };
                    values[place] += by;
                    Some((f64::from(values[place]), loss(&layer)))
                };
                let (Some(up), Some(down)) = (moved(step), moved(-step)) else {
                    continue;
                };
                let expected = (up.1 - down.1) / (up.0 - down.0);
                let off = (f64::from(found[place]) - expected).abs();
                assert!(
                    off < 2e-4 * (1.0 + expected.abs()),
                    "{g:?}, input {which} at {place}: {}, not {expected}",
                    found[place]
                );
            }
        }
    }
}

#[test]
#[cfg(target_arch = "aarch64")]
fn the_instructions_are_neons() {
    assert!(matches!(Arch::new(), Arch::Neon(_)));
}

#[test]
#[cfg(target_arch = "x86_64")]
fn the_width_of_the_registers_changes_no_bit() {
    let Some(narrow) = pulp::x86::V3::try_new().map(Arch::V3) else {
        return eprintln!("skipped: this processor has no AVX2 with FMA");
    };
    for layer in layers() {
        let slope = numbers(6, layer.geometry.images * layer.geometry.output());
        let run = |arch| (layer.train(arch).1, layer.backward(arch, &slope));
        assert!(run(Arch::new()) == run(narrow), "{:?}", layer.geometry);
    }
}

#[test]
fn plain_instructions_give_the_same_gradients_within_rounding() {
    for layer in layers() {
        let slope = numbers(6, layer.geometry.images * layer.geometry.output());
        let best = layer.backward(Arch::new(), &slope);
        let plain = layer.backward(Arch::Scalar, &slope);
        for (which, (best, plain)) in best.iter().zip(&plain).enumerate() {
            let plain: Vec<f64> = plain.iter().map(|x| f64::from(*x)).collect();
            close(
                best,
                &plain,
                2e-5,
                &format!("{:?}, input {which}", layer.geometry),
            );
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    for geometry in [
        shape([19, 16, 8, 8], 32, 3, 2),
        shape([19, 32, 8, 8], 32, 3, 1),
    ] {
        let layer = Case::new(geometry, true, true);
        let slope = numbers(6, geometry.images * geometry.output());
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let run = || {
                (
                    layer.train(Arch::new()).1,
                    layer.backward(Arch::new(), &slope),
                )
            };
            pool.build().unwrap().install(run)
        };
        let one = on(1);
        for threads in [2, 3, 7] {
            assert!(on(threads) == one, "{threads} threads, {geometry:?}");
        }
    }
}
