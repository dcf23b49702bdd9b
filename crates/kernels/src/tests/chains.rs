//! Layers that normalise their inputs themselves against layers that read them from memory.

use super::*;

/// Two layers, the second of which reads the first one's output from memory, or normalises it itself;
/// past the second leads a skip. Gives the output and every gradient.
fn two_layers(arch: Arch, second: Geometry, pad: Option<Pad>, written: bool) -> Vec<Vec<f32>> {
    let first = Case::new(
        Geometry {
            filters: second.channels,
            stride: 1,
            size: 3,
            ..second
        },
        true,
        false,
    );
    let second = Case::new(second, true, false);
    let images = second.geometry.images;
    let (one, out) = first.train(arch);
    let affine = one.norm.affine(&first.scale, &first.shift);
    let x = match written {
        true => Input::Plain(&out),
        false => Input::Normalised {
            values: &one.map,
            affine: &affine,
            relu: true,
        },
    };
    let two = train(&second.on(arch), x, EPSILON);
    let normalised = two.norm.affine(&second.scale, &second.shift);
    let y = activate(arch, images, (&two.map, &normalised), Some(Skip { x, pad }));
    let sources = [&one, &two].map(|done| Source {
        map: &done.map,
        norm: &done.norm,
    });
    let mut gradient = numbers(6, y.len());
    let out = Some(Input::Plain(&y));
    let sums = relu_backward(arch, images, &sources[1], out, &mut gradient);
    let saved = Saved {
        x,
        map: &two.map,
        norm: &two.norm,
        scale: &second.scale,
    };
    let onward = Onward {
        skip: Some(SkipGradient {
            gradient: &gradient,
            pad,
        }),
        source: (!written).then_some(sources[0]),
    };
    let found = backward(&second.on(arch), &saved, &gradient, &sums, Some(&onward));
    let mut dx = found.x.unwrap();
    let sums = match found.source {
        Some(sums) => sums,
        None => relu_backward(arch, images, &sources[0], Some(x), &mut dx),
    };
    let saved = Saved {
        x: Input::Plain(&first.x),
        map: &one.map,
        norm: &one.norm,
        scale: &first.scale,
    };
    let last = backward(&first.on(arch), &saved, &dx, &sums, None);
    let [scale, shift] = last.scale;
    vec![y, found.weights, dx, last.weights, scale, shift]
}

#[test]
fn a_layer_that_normalises_its_input_itself_computes_the_same_as_one_that_reads_it_from_memory() {
    let pad = |largest| Pad {
        shape: [8, 8, 16],
        largest,
        zeros: [0, 16],
    };
    let kinds = [
        (shape([9, 16, 8, 8], 16, 3, 1), None),
        (shape([3, 16, 8, 8], 32, 3, 2), Some(pad(false))),
        (shape([3, 16, 8, 8], 32, 3, 2), Some(pad(true))),
    ];
    for (second, pad) in kinds {
        for arch in instructions() {
            let [read, own] = [true, false].map(|written| two_layers(arch, second, pad, written));
            assert!(read == own, "{second:?}, {pad:?} on {arch:?}");
        }
    }
}
