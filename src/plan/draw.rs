//! The graph as text for people and for drawing programs.

use std::fmt::Write;

use super::graph::Graph;

/// A language for graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Graphviz.
    Dot,
    /// Mermaid, which GitHub draws.
    Mermaid,
    /// A finished picture.
    Svg,
}

/// The needed steps of a graph and the edges between them, in the given language.
pub fn draw(graph: &Graph, needed: &[bool], format: Format) -> String {
    let edges = edges(graph, needed);
    match format {
        Format::Dot => {
            let mut text = String::from("digraph fig6 {\n  rankdir = LR;\n  node [shape = box];\n");
            for (id, step) in names(graph, needed) {
                let _ = writeln!(text, "  s{id} [label = \"{step}\"];");
            }
            for (from, to) in edges {
                let _ = writeln!(text, "  s{from} -> s{to};");
            }
            text + "}\n"
        }
        Format::Mermaid => {
            let mut text = String::from("graph LR\n");
            for (id, step) in names(graph, needed) {
                let _ = writeln!(text, "  s{id}[\"{step}\"]");
            }
            for (from, to) in edges {
                let _ = writeln!(text, "  s{from} --> s{to}");
            }
            text
        }
        Format::Svg => svg(graph, needed, &edges),
    }
}

fn names<'a>(graph: &'a Graph, needed: &'a [bool]) -> impl Iterator<Item = (usize, &'a str)> {
    let steps = graph.steps().iter().enumerate();
    steps
        .filter(|(id, _)| needed[*id])
        .map(|(id, step)| (id, step.name.as_str()))
}

/// Producer and consumer of each edge, without repetition.
fn edges(graph: &Graph, needed: &[bool]) -> Vec<(usize, usize)> {
    let mut edges = Vec::new();
    for to in graph.ids().filter(|id| needed[id.index()]) {
        let producers = graph.producers(to).into_iter();
        edges.extend(producers.map(|from| (from.index(), to.index())));
    }
    edges.sort_unstable();
    edges
}

/// Columns by distance from the first step, one box a step, a curve an edge.
fn svg(graph: &Graph, needed: &[bool], edges: &[(usize, usize)]) -> String {
    const BOX: (usize, usize) = (210, 26);
    const GAP: (usize, usize) = (60, 12);
    let mut column = vec![0; needed.len()];
    for &(from, to) in edges {
        column[to] = column[to].max(column[from] + 1);
    }
    let mut heights = vec![0; column.iter().max().map_or(1, |last| last + 1)];
    let mut place = vec![(0, 0); needed.len()];
    for (id, _) in names(graph, needed) {
        let row = heights[column[id]];
        heights[column[id]] += 1;
        place[id] = (
            GAP.1 + column[id] * (BOX.0 + GAP.0),
            GAP.1 + row * (BOX.1 + GAP.1),
        );
    }
    let width = 2 * GAP.1 + heights.len() * (BOX.0 + GAP.0) - GAP.0;
    let height = GAP.1 + heights.iter().max().unwrap_or(&0) * (BOX.1 + GAP.1);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<title>fig6: steps and what they read</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    for &(from, to) in edges {
        let (x1, y1) = (place[from].0 + BOX.0, place[from].1 + BOX.1 / 2);
        let (x2, y2) = (place[to].0, place[to].1 + BOX.1 / 2);
        let middle = x1.midpoint(x2);
        let _ = writeln!(
            text,
            "<path d=\"M{x1},{y1} C{middle},{y1} {middle},{y2} {x2},{y2}\" fill=\"none\" stroke=\"#b0b0b0\"/>"
        );
    }
    for (id, step) in names(graph, needed) {
        let (x, y) = place[id];
        let (width, height) = BOX;
        let _ = writeln!(
            text,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"4\" fill=\"#f4f6fa\" stroke=\"#5b6b8c\"/>\
             <text x=\"{}\" y=\"{}\" fill=\"#1f2430\">{step}</text>",
            x + 8,
            y + 18,
        );
    }
    text + "</svg>\n"
}
