//! The figure as a whole: what must stand in the SVG for given metrics.

use std::collections::BTreeMap;
use std::fs;

use super::errors::{ErrorCurves, Panel, figure, run};
use super::*;
use records::Metrics;
use step::Progress;

fn curve(model: &str, label: &str, layers: u32, seeds: &[u64]) -> Curve {
    Curve {
        model: model.into(),
        label: label.into(),
        layers,
        seeds: seeds.to_vec(),
    }
}

fn params(iterations: u64, seeds: &[u64]) -> ErrorCurves {
    ErrorCurves {
        panels: vec![
            Panel {
                title: "plain & simple".into(),
                curves: vec![
                    curve("plain20", "plain-20", 20, seeds),
                    curve("plain56", "plain-56", 56, seeds),
                ],
            },
            Panel {
                title: "residual".into(),
                curves: vec![curve("resnet110", "ResNet-110", 110, seeds)],
            },
        ],
        iterations,
        note: None,
    }
}

/// Twenty rows that fall from 80% to about 10%; seeds differ by 1%.
fn metrics(name: &str, iterations: u64) -> Vec<Metrics> {
    let seed: f64 = name.rsplit("seed").next().unwrap().parse().unwrap();
    (1..=20)
        .map(|row| Metrics {
            iteration: row * iterations / 20,
            epoch: row,
            learning_rate: 0.1,
            train_loss: 1.0,
            train_error: 60.0 / row as f64 + seed,
            validation_error: None,
            test_error: 70.0 / row as f64 + 6.0 + seed,
        })
        .collect()
}

fn draw(params: &ErrorCurves) -> String {
    figure(params, |name| Ok(metrics(name, params.iterations))).unwrap()
}

/// What the text elements say, in order.
fn texts(svg: &str) -> Vec<&str> {
    svg.split("<text ")
        .skip(1)
        .map(|rest| rest.split(['>', '<']).nth(1).unwrap().trim())
        .collect()
}

/// The polylines whose attributes contain all of the given.
fn polylines<'a>(svg: &'a str, attributes: &[&str]) -> Vec<&'a str> {
    svg.lines()
        .filter(|line| line.starts_with("<polyline"))
        .filter(|line| attributes.iter().all(|attribute| line.contains(attribute)))
        .collect()
}

#[test]
fn every_element_of_the_svg_is_closed_and_every_text_escaped() {
    let svg = draw(&params(64_000, &[0, 1]));
    let mut open = Vec::new();
    for part in svg.split('<').skip(1) {
        let (tag, text) = part.split_once('>').expect("a tag that ends");
        assert!(!text.replace("&amp;", "").contains('&'), "{text}");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().unwrap());
        }
    }
    assert!(open.is_empty(), "{open:?}");
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
}

#[test]
fn the_figure_shows_each_panel_each_label_and_a_key() {
    let svg = draw(&params(64_000, &[0, 1]));
    let texts = texts(&svg);
    for expected in [
        "plain &amp; simple",
        "residual",
        "plain-20",
        "plain-56",
        "ResNet-110",
        "training error",
        "test error",
        "±1 std over seeds",
    ] {
        let count = texts.iter().filter(|&&text| text == expected).count();
        assert_eq!(count, 1, "{expected} in {texts:?}");
    }
}

#[test]
fn training_error_is_dashed_and_thin_test_error_solid_and_bold() {
    let svg = draw(&params(1_000, &[0]));
    let (thin, bold) = ("stroke-width=\"5\"", "stroke-width=\"10\"");
    // Three curves, and one sample in the key.
    assert_eq!(polylines(&svg, &[thin, "stroke-dasharray"]).len(), 4);
    assert_eq!(polylines(&svg, &[thin]).len(), 4);
    assert_eq!(polylines(&svg, &[bold]).len(), 4);
    assert_eq!(polylines(&svg, &[bold, "stroke-dasharray"]).len(), 0);
}

#[test]
fn curves_have_the_colours_of_the_paper_and_a_vertex_for_each_row() {
    let svg = draw(&params(1_000, &[0]));
    for color in ["#8F8F00", "#DC1E1E", "#111111"] {
        let stroke = format!("stroke=\"{color}\"");
        let dashed = polylines(&svg, &[&stroke, "stroke-dasharray"]);
        assert_eq!(dashed.len(), 1, "{color}");
        assert_eq!(dashed[0].matches(',').count(), 20);
        assert!(svg.contains(&format!("fill=\"{color}\"")), "{color}");
    }
}

#[test]
fn a_full_run_has_the_axes_of_the_paper_and_is_cut_at_twenty_percent() {
    let svg = draw(&params(64_000, &[0]));
    let texts = texts(&svg);
    let panel = ["0", "5", "10", "20", "0", "1", "2", "3", "4", "5", "6"];
    assert_eq!(texts[..11], panel);
    assert_eq!(texts[11..13], ["iter. (1e4)", "error (%)"]);
    // The frame's upper edge is that of the lines at 20%.
    let frame = polylines(&svg, &["stroke=\"#6E7781\""])
        .into_iter()
        .find(|line| line.matches(',').count() == 5)
        .unwrap();
    let top = ordinates(frame).min().unwrap();
    let test = polylines(&svg, &["stroke-width=\"10\"", "#111111"]);
    assert_eq!(ordinates(test[0]).min().unwrap(), top);
}

#[test]
fn a_short_run_counts_iterations_and_is_shown_from_its_start() {
    let svg = draw(&params(100, &[0]));
    let texts = texts(&svg);
    let panel = [
        "0", "20", "40", "60", "80", "0", "20", "40", "60", "80", "100",
    ];
    assert_eq!(texts[..11], panel);
    assert_eq!(texts[11], "iter.");
}

fn ordinates(polyline: &str) -> impl Iterator<Item = i64> {
    let points = polyline.split("points=\"").nth(1).unwrap();
    points
        .split(['"', ' '])
        .filter_map(|point| point.split_once(','))
        .map(|(_, y)| y.parse().unwrap())
}

#[test]
fn several_seeds_have_bands_and_one_has_none() {
    let svg = draw(&params(64_000, &[0, 1]));
    // Two for each of three curves, and a sample in the key.
    assert_eq!(svg.matches("<polygon").count(), 7);
    let svg = draw(&params(64_000, &[0]));
    assert_eq!(svg.matches("<polygon").count(), 0);
    assert!(!svg.contains("std over seeds"));
}

#[test]
fn a_training_of_a_single_row_is_a_dot() {
    let svg = figure(&params(100, &[0]), |name| {
        Ok(metrics(name, 100)[..1].to_vec())
    })
    .unwrap();
    assert_eq!(svg.matches("<circle").count(), 6);
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
}

#[test]
fn the_x_axis_grows_where_a_training_is_longer() {
    let svg = figure(&params(100, &[0]), |name| Ok(metrics(name, 200))).unwrap();
    assert!(texts(&svg).contains(&"200"));
}

#[test]
fn a_note_stands_under_the_figure() {
    let mut params = params(100, &[0]);
    params.note = Some("The images are generated.".into());
    assert_eq!(
        texts(&draw(&params)).last(),
        Some(&"The images are generated.")
    );
}

#[test]
fn a_figure_without_panels_is_refused() {
    let mut params = params(100, &[0]);
    params.panels.clear();
    let error = figure(&params, |name| Ok(metrics(name, 100))).unwrap_err();
    assert!(error.to_string().contains("no panels"));
}

#[test]
fn seeds_of_different_iterations_are_an_error_that_names_curve_and_inputs() {
    let error = figure(&params(100, &[0, 1]), |name| {
        Ok(metrics(name, if name.ends_with('1') { 200 } else { 100 }))
    })
    .unwrap_err();
    let text = format!("{error:#}");
    assert!(text.starts_with("cannot draw plain-20: line 1 "), "{text}");
    assert!(text.contains("metrics/plain20/seed1"), "{text}");
}

/// Runs the step on files; `spoil` may change the text of each.
fn run_on_files(spoil: impl Fn(&str, String) -> String) -> Result<(String, Vec<u8>)> {
    let folder = testing::folder();
    let params = params(100, &[0, 1]);
    let mut inputs = BTreeMap::new();
    for curve in params.panels.iter().flat_map(|panel| &panel.curves) {
        for seed in &curve.seeds {
            let name = format!("metrics/{}/seed{seed}", curve.model);
            let lines = metrics(&name, 100)
                .iter()
                .map(|row| serde_json::to_string(row).unwrap() + "\n")
                .collect();
            let path = folder.path().join(name.replace('/', "-"));
            fs::write(&path, spoil(&name, lines)).unwrap();
            inputs.insert(name, path);
        }
    }
    let mut context = Context {
        inputs,
        output: folder.path().to_owned(),
        evidence: folder.path().to_owned(),
        scratch: folder.path().to_owned(),
        stop: &std::sync::atomic::AtomicBool::new(false),
        progress: &mut |_: Progress| {},
    };
    let message = run(&params, &mut context)?;
    Ok((message, fs::read(folder.path().join("fig6.svg")).unwrap()))
}

#[test]
fn the_same_metrics_give_the_same_bytes() {
    let (message, first) = run_on_files(|_, text| text).unwrap();
    let (_, second) = run_on_files(|_, text| text).unwrap();
    assert_eq!(message, "panels: 2, curves: 3");
    assert_eq!(first, second);
}

#[test]
fn malformed_metrics_are_an_error_that_names_the_input() {
    let error = run_on_files(|name, text| match name {
        "metrics/plain56/seed1" => text.replacen("\"epoch\":2", "\"epoch\":two", 1),
        _ => text,
    })
    .unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("metrics/plain56/seed1"), "{text}");
    assert!(text.contains(":2"), "{text}");
}

#[test]
fn the_figure_lies_on_a_white_card_and_describes_itself() {
    let svg = draw(&params(1_000, &[0]));
    let start: Vec<&str> = svg.lines().take(3).collect();
    assert!(start[0].contains("width=\"830\"") && start[0].contains("role=\"img\""));
    assert!(start[1].starts_with("<title>Training error (dashed)"));
    assert!(start[1].contains("plain &amp; simple: plain-20 ends at 9.50%"));
    assert!(start[2].starts_with("<rect ") && start[2].contains("fill=\"#FFFFFF\""));
}

#[test]
fn no_text_means_anything_in_the_svg() {
    let hostile = "a<b>|`c`&\"'</svg>";
    let mut params = params(1000, &[0]);
    params.panels[0].title = hostile.to_owned();
    params.panels[0].curves[0].label = format!("{hostile}stroke-width=\"10\" points=");
    params.note = Some(hostile.to_owned());
    let svg = draw(&params);
    assert_eq!(svg.matches("</svg>").count(), 1);
    assert!(!svg.contains("<b>") && !svg.contains("\"'"), "{svg}");
    let escaped = "a&lt;b&gt;|`c`&amp;&quot;";
    assert!(svg.matches(escaped).count() >= 4, "{svg}");
}

#[test]
fn the_longest_label_leaves_room_for_the_curves() {
    let width = |label: &str| -> f64 {
        let mut params = params(1000, &[0]);
        params.panels[1].curves[0].label = label.to_owned();
        let svg = draw(&params);
        assert!(texts(&svg).contains(&label));
        for line in polylines(&svg, &["stroke-width=\"10\""]) {
            let points = line.split("points=\"").nth(1).unwrap();
            let x: Vec<i32> = points
                .split('"')
                .next()
                .unwrap()
                .split_whitespace()
                .map(|point| point.split(',').next().unwrap().parse().unwrap())
                .collect();
            // Four units are a pixel. The key's sample is 34 pixels wide, the curves begin later.
            let wide = x.last().unwrap() - x[0];
            assert!(wide == 4 * 34 || wide > 4 * 80, "{wide} {label}");
        }
        let shown = svg.split('"').nth(1).unwrap();
        shown.parse().unwrap()
    };
    let usual = width("ResNet-110, 400 iter.");
    assert_eq!(usual, width("a"));
    assert!(width(&"W".repeat(60)) > usual);
}
