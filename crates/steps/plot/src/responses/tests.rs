//! The figure as a whole: what must stand in the SVG for given responses.

use super::*;
use records::LayerResponse;

fn shown(model: &str, label: &str, layers: u32, residual: bool) -> ResponseCurve {
    ResponseCurve {
        curve: Curve {
            model: model.into(),
            label: label.into(),
            layers,
            seeds: vec![0, 1],
        },
        residual,
    }
}

fn params() -> ResponseCurves {
    ResponseCurves {
        curves: vec![
            shown("plain20", "Plain-20", 20, false),
            shown("resnet20", "ResNet-20", 20, true),
            shown("resnet56", "ResNet-56", 56, true),
        ],
        note: None,
    }
}

fn record(layers: &[f64]) -> Responses {
    let layers = layers
        .iter()
        .enumerate()
        .map(|(index, &std)| LayerResponse {
            layer: format!("bn{index}"),
            std,
        });
    Responses {
        images: 10,
        layers: layers.collect(),
    }
}

/// Layers that respond less and less, but for a strong one in the middle; seeds differ by 0.2.
fn read(name: &str) -> Result<Responses> {
    let layers = if name.contains("56") { 55 } else { 19 };
    let seed = if name.ends_with('1') { 0.2 } else { 0.0 };
    let std = |layer: u32| {
        if layer == 9 {
            3.0
        } else {
            2.0 / f64::from(layer + 1)
        }
    };
    Ok(record(
        &(0..layers)
            .map(|layer| std(layer) + seed)
            .collect::<Vec<_>>(),
    ))
}

/// The vertices of the polylines whose attributes contain all of the given, from 5 vertices on.
fn curves(svg: &str, attributes: &[&str]) -> Vec<Vec<(i32, i32)>> {
    let lines = svg.lines().filter(|line| line.starts_with("<polyline"));
    let lines = lines.filter(|line| attributes.iter().all(|part| line.contains(part)));
    let vertices = lines.map(|line| {
        let points = line
            .split("points=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        let points = points
            .split_whitespace()
            .map(|point| point.split_once(',').unwrap());
        points
            .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
            .collect()
    });
    vertices.filter(|curve: &Vec<_>| curve.len() > 5).collect()
}

#[test]
fn plain_nets_are_dashed_and_residual_ones_solid_in_both_panels_and_in_the_key() {
    let svg = figure(&params(), read).unwrap();
    assert_eq!(curves(&svg, &["stroke-dasharray"]).len(), 2);
    assert_eq!(curves(&svg, &["stroke-width=\"10\""]).len(), 4);
    for label in ["Plain-20", "ResNet-20", "ResNet-56"] {
        assert_eq!(svg.matches(&format!("\n{label}\n")).count(), 1, "{label}");
    }
    assert!(svg.contains("\nlayer index\n") && svg.contains("\nsorted by size\n"));
}

#[test]
fn the_left_panel_keeps_the_layers_order_and_the_right_one_sorts_them() {
    let svg = figure(&params(), read).unwrap();
    let lines = curves(&svg, &["stroke-dasharray"]);
    let heights = |line: &[(i32, i32)]| line.iter().map(|(_, y)| -y).collect::<Vec<_>>();
    let (by_layer, sorted) = (heights(&lines[0]), heights(&lines[1]));
    assert_eq!(by_layer.len(), 19);
    assert_eq!(by_layer.iter().max(), Some(&by_layer[9]));
    assert!(sorted.is_sorted_by(|a, b| a >= b), "{sorted:?}");
    let mut again = by_layer.clone();
    again.sort_by(|a, b| b.cmp(a));
    assert_eq!(again, sorted);
}

#[test]
fn a_curve_is_the_mean_over_the_seeds() {
    let (in_order, sorted) = average(&params().curves[0].curve, read).unwrap();
    let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
    assert!(
        near(in_order[0], 2.1) && near(in_order[9], 3.1),
        "{in_order:?}"
    );
    assert!(near(sorted[0], 3.1) && near(sorted[1], 2.1), "{sorted:?}");
}

#[test]
fn the_axes_are_those_of_the_paper_for_responses_like_its() {
    let svg = figure(&params(), read).unwrap();
    let texts: Vec<&str> = svg.lines().filter(|line| !line.starts_with('<')).collect();
    assert_eq!(texts[..4], ["0", "1", "2", "3"]);
    assert_eq!(texts[4..10], ["0", "10", "20", "30", "40", "50"]);
}

#[test]
fn what_cannot_be_drawn_is_refused_with_the_inputs_name() {
    let refused = |read: &dyn Fn(&str) -> Result<Responses>| {
        format!("{:#}", figure(&params(), read).unwrap_err())
    };
    let start = "cannot draw Plain-20: input responses/plain20/seed";
    let none = refused(&|_| Ok(record(&[])));
    assert_eq!(none, format!("{start}0 has no layers"));
    let other = refused(&|name| match name.ends_with('1') {
        true => Ok(record(&[1.0, 2.0])),
        false => Ok(record(&[1.0])),
    });
    assert!(
        other.starts_with(&format!("{start}1 is of a network with other layers")),
        "{other}"
    );
    let negative = refused(&|_| Ok(record(&[1.0, -2.0])));
    assert!(
        negative.starts_with(&format!("{start}0 has a deviation that is negative")),
        "{negative}"
    );
    let nothing = ResponseCurves {
        curves: vec![],
        note: None,
    };
    assert!(
        figure(&nothing, read)
            .unwrap_err()
            .to_string()
            .contains("no curves")
    );
}

#[test]
fn a_long_key_is_wrapped_to_the_card() {
    let mut params = params();
    let layers = [20, 32, 44, 56, 110];
    params.curves = layers
        .map(|layers| shown("resnet56", &format!("ResNet-{layers}, long"), layers, true))
        .into();
    let svg = figure(&params, read).unwrap();
    let width: f64 = svg.split('"').nth(1).unwrap().parse().unwrap();
    let samples = svg
        .lines()
        .filter(|line| line.starts_with("<polyline") && line.contains("width=\"10\""));
    let rows: std::collections::BTreeSet<&str> = samples
        .filter(|line| line.matches(',').count() == 2)
        .map(|line| line.split(',').next_back().unwrap())
        .collect();
    assert!(rows.len() > 1 && width < 900.0, "{rows:?} in {width}");
}
