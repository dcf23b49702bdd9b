//! Nets put together here, under known and unknown names.

use super::*;
use crate::names::{SCHEMES, with_projections};
use nn::architecture::{ConvLayer, NAMES};

/// Names and shapes of fig6's tensors.
pub fn shapes(n: u32, projections: bool) -> Vec<(String, Vec<usize>)> {
    with_projections(n, projections).tensors(&NAMES).collect()
}

/// The tensors of a net by whatever names, each with a number of its own in all its places.
pub fn net(n: u32, projections: bool, rename: impl Fn(&str) -> String) -> BTreeMap<String, Tensor> {
    let tensors = shapes(n, projections).into_iter().enumerate();
    tensors
        .map(|(rank, (name, shape))| (rename(&name), tensor(shape, Some(rank), rank as f32)))
        .collect()
}

pub fn tensor(shape: Vec<usize>, rank: Option<usize>, value: f32) -> Tensor {
    Tensor::of(shape.clone(), rank, move || {
        Ok(vec![value; shape.iter().product()])
    })
}

/// Whether the tensors map as they were made.
pub fn maps(tensors: &BTreeMap<String, Tensor>, n: u32, projections: bool) -> Result<&'static str> {
    let mapping = mapping(tensors)?;
    assert_eq!(mapping.n, n);
    let expected = shapes(n, projections);
    assert_eq!(mapping.names.len(), expected.len());
    for (rank, (own, shape)) in expected.into_iter().enumerate() {
        let tensor = &tensors[&mapping.names[&own]];
        assert_eq!(tensor.shape, shape, "{own}");
        assert_eq!(tensor.read().unwrap()[0], rank as f32, "{own}");
    }
    Ok(mapping.scheme)
}

#[test]
fn every_scheme_is_known_by_its_names_at_every_depth() {
    for scheme in &SCHEMES {
        for (n, projections) in [(1, false), (2, true), (18, true), (30, false)] {
            if projections && scheme.layers.projection.is_none() {
                continue;
            }
            let net = with_projections(n, projections);
            let tensors = scheme.tensors(&net).enumerate();
            let tensors = tensors
                .map(|(rank, (_, name, shape))| (name, tensor(shape, None, rank as f32)))
                .collect();
            let taken = maps(&tensors, n, projections).unwrap();
            assert!(
                projections != (taken != scheme.name) || !projections,
                "{taken}"
            );
        }
    }
}

/// Names of no scheme: each convolution and batch normalisation is named by its layer.
fn named(layer: impl Fn(ConvLayer) -> [String; 2]) -> impl Fn(&str) -> String {
    let all: BTreeMap<String, String> = with_projections(200, true)
        .convs()
        .flat_map(|at| NAMES.of(at).into_iter().zip(layer(at)))
        .collect();
    move |name| {
        let (unit, part) = name.rsplit_once('.').unwrap();
        let unit = all.get(unit).map_or("head", String::as_str);
        format!("{unit}.{part}")
    }
}

/// Where a layer stands among the convolutions of a net of n = 4 without projections.
fn rank(layer: ConvLayer) -> usize {
    match layer {
        ConvLayer::Stem => 0,
        ConvLayer::Block { stage, index, half } => 1 + 8 * stage + 2 * index as usize + half,
        ConvLayer::Projection { stage } => 100 + stage,
    }
}

fn unranked(mut tensors: BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    tensors.values_mut().for_each(|tensor| tensor.rank = None);
    tensors
}

#[test]
fn unknown_names_are_matched_where_numbers_tell_the_order() {
    let flat = named(|at| [3 * rank(at), 3 * rank(at) + 1].map(|at| format!("features.{at}")));
    let lists = named(|at| ["convs", "norms"].map(|list| format!("{list}.{}", rank(at))));
    let underscored = named(|at| ["conv", "bn"].map(|unit| format!("l_{}_{unit}", rank(at))));
    for rename in [&flat as &dyn Fn(&str) -> String, &lists, &underscored] {
        maps(&unranked(net(4, false, rename)), 4, false).unwrap();
    }
    // With projections beside the convolutions, in blocks that count on over the stages.
    let blocks = named(|at| match at {
        ConvLayer::Stem => ["stem.c".into(), "stem.n".into()],
        ConvLayer::Block { stage, index, half } => {
            let block = 4 * stage + index as usize;
            ["c", "n"].map(|unit| format!("blocks.{block}.{unit}.{half}"))
        }
        ConvLayer::Projection { stage } => {
            ["c", "n"].map(|unit| format!("blocks.{}.past_{unit}", 4 * stage))
        }
    });
    maps(&unranked(net(4, true, blocks)), 4, true).unwrap();
    // Other words for a batch normalisation's tensors.
    let gamma = |name: &str| match name.split('.').any(|part| part.starts_with("bn")) {
        true => name
            .replace("weight", "gamma")
            .replace("bias", "beta")
            .replace("running", "moving"),
        false => name.to_owned(),
    };
    maps(&unranked(net(3, false, gamma)), 3, false).unwrap();
}

#[test]
fn the_order_of_words_is_the_files_or_it_is_refused() {
    let words = |name: &str| name.replace("conv2", "after").replace("conv1", "first");
    let tensors = net(2, false, words);
    maps(&tensors, 2, false).unwrap();
    let error = format!("{:#}", maps(&unranked(tensors), 2, false).unwrap_err());
    assert!(error.contains("comes first"), "{error}");
}

#[test]
fn names_that_can_be_read_in_two_ways_are_refused() {
    // All first convolutions of a stage, then all second ones?
    let halves = named(|at| match at {
        ConvLayer::Block { stage, index, half } => {
            ["c", "n"].map(|unit| format!("s{stage}.{half}.{index}.{unit}"))
        }
        _ => ["c", "n"].map(|unit| format!("{unit}.0")),
    });
    let error = format!("{:#}", maps(&net(4, false, halves), 4, false).unwrap_err());
    assert!(error.contains("in the same block"), "{error}");
    // Which batch normalisation is the projection's?
    let past = |name: &str| {
        let name = name.replace("skip_connection.conv", "adjust");
        name.replace("skip_connection.bn", "norm")
    };
    let error = format!(
        "{:#}",
        maps(&unranked(net(2, true, past)), 2, true).unwrap_err()
    );
    assert!(error.contains("not certain"), "{error}");
}

#[test]
fn tensors_that_are_missing_left_over_or_of_another_shape_are_listed() {
    let mut tensors = net(3, false, |name| name.replace("fc.", "linear."));
    tensors.remove("layer2.1.bn1.bias").unwrap();
    tensors.insert("conv1.bias".into(), tensor(vec![16], None, 0.0));
    tensors.insert("linear.weight".into(), tensor(vec![100, 64], None, 0.0));
    let error = format!("{:#}", maps(&tensors, 3, false).unwrap_err());
    for said in [
        "akamaster's names",
        "layer2.1.bn1.bias is missing",
        "linear.weight has shape [100, 64], not [10, 64]",
        "conv1.bias is left over",
    ] {
        assert!(error.contains(said), "{said} is not in {error}");
    }
    // Four times as wide: every tensor differs, and not all of them are listed.
    for tensor in tensors.values_mut() {
        tensor.shape.iter_mut().for_each(|size| *size *= 4);
    }
    let error = format!("{:#}", maps(&tensors, 3, false).unwrap_err());
    assert!(error.contains("and 90 more"), "{error}");
    // Names in no scheme, and something beside the net.
    let mut tensors = net(1, false, |name| name.replace("layer", "stage"));
    tensors.insert("temperature".into(), tensor(vec![], None, 1.0));
    let error = format!("{:#}", maps(&tensors, 1, false).unwrap_err());
    assert!(
        error.contains("left over") && error.contains("temperature"),
        "{error}"
    );
}
