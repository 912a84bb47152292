//! The picture for a browser: one file without script, font or address, the same bytes for the same repository.
//!
//! The colours are set twice, for light and for dark pages; the picture paints its own paper, so that it can be read on any.

use std::fmt::Write as _;

use super::layout::{Placed, place, short};
use super::{Frame, Graph, Kind, Node};

const MARGIN: usize = 20;
/// Between a frame and what is in it.
const PADDING: usize = 18;
/// Title and note of a frame.
const HEAD: usize = 50;
/// The least width of a frame.
const LEAST: usize = 420;

const STYLE: &str = "\
    text { font: 13px system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; fill: #1f2328 }
    .paper { fill: #ffffff }
    .frame { fill: #f6f8fa; stroke: #d1d9e0 }
    .head { font-size: 15px; font-weight: 600 }
    .id { font: 600 13px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace }
    .title { font-size: 12px }
    .facts, .note { font-size: 11px; fill: #59636e }
    .line { fill: none; stroke: #818b98; stroke-width: 1.5 }
    .box { fill: #ffffff; stroke: #59636e }
    .abstract { stroke-dasharray: 5 4 }
    .definition { fill: #ddf4ff; stroke: #0969da }
    .elsewhere { fill: none; stroke: #818b98; stroke-dasharray: 2 3 }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc }
      .paper { fill: #0d1117 }
      .frame { fill: #151b23; stroke: #3d444d }
      .facts, .note { fill: #9198a1 }
      .line { stroke: #656c76 }
      .box { fill: #0d1117; stroke: #9198a1 }
      .definition { fill: #0c2d53; stroke: #4493f8 }
      .elsewhere { fill: none; stroke: #656c76 }
    }
";

pub fn write(graph: &Graph) -> String {
    let placed: Vec<(&Frame, Placed<'_>)> = graph.frames.iter().map(|frame| (frame, place(frame))).collect();
    let inner = placed.iter().map(|(frame, placed)| placed.width.max(head_width(frame))).max().unwrap_or(0).max(LEAST);
    let width = inner + 2 * (MARGIN + PADDING);
    let mut body = String::new();
    let mut top = MARGIN;
    for (frame, placed) in &placed {
        let height = HEAD + if placed.boxes.is_empty() { 0 } else { placed.height + PADDING };
        write_frame(frame, placed, top, inner + 2 * PADDING, height, &mut body);
        top += height + MARGIN;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{top}\" viewBox=\"0 0 {width} {top}\" role=\"img\" \
         aria-label=\"which profile extends which\">\n  <style>\n{STYLE}  </style>\n  <rect class=\"paper\" width=\"{width}\" \
         height=\"{top}\"/>\n{body}</svg>\n"
    )
}

fn head_width(frame: &Frame) -> usize {
    (frame.title.chars().count() * 10).max(frame.note.chars().count() * 7)
}

fn write_frame(frame: &Frame, placed: &Placed<'_>, top: usize, width: usize, height: usize, out: &mut String) {
    // Writing to a string can not fail.
    let _ = writeln!(out, "  <g transform=\"translate({MARGIN} {top})\">");
    let _ = writeln!(out, "    <rect class=\"frame\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>");
    let _ = writeln!(out, "    <text class=\"head\" x=\"{PADDING}\" y=\"22\">{}</text>", escaped(&frame.title));
    let _ = writeln!(out, "    <text class=\"note\" x=\"{PADDING}\" y=\"39\">{}</text>", escaped(&frame.note));
    for child in &placed.boxes {
        let Some(parent) = child.parent.and_then(|parent| placed.boxes.get(parent)) else { continue };
        let (from_x, from_y) = (PADDING + parent.x + parent.width, HEAD + parent.y + parent.height / 2);
        let (to_x, to_y) = (PADDING + child.x, HEAD + child.y + child.height / 2);
        let bend = usize::midpoint(from_x, to_x);
        let _ = writeln!(
            out,
            "    <path class=\"line\" d=\"M{from_x} {from_y}C{bend} {from_y} {bend} {to_y} {to_x} {to_y}\"/>"
        );
    }
    for place in &placed.boxes {
        write_box(place.node, PADDING + place.x, HEAD + place.y, place.width, place.height, out);
    }
    out.push_str("  </g>\n");
}

fn write_box(node: &Node, x: usize, y: usize, width: usize, height: usize, out: &mut String) {
    let class = match node.kind {
        Kind::Definition => "box definition",
        Kind::Abstract => "box abstract",
        Kind::Profile => "box",
        Kind::Elsewhere => "box elsewhere",
    };
    let lines = [("id", node.id().to_owned()), ("title", short(&node.title)), ("facts", node.facts.join(" · "))];
    let lines: Vec<_> = lines.into_iter().filter(|(_, text)| !text.is_empty()).collect();
    let _ = writeln!(out, "    <g>");
    let _ = writeln!(out, "      <title>{}</title>", escaped(&node.title));
    let _ = writeln!(
        out,
        "      <rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>"
    );
    let first = y + (height - 16 * (lines.len() - 1)) / 2 + 5;
    for (number, (class, text)) in lines.iter().enumerate() {
        let (x, y) = (x + 12, first + 16 * number);
        let _ = writeln!(out, "      <text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>", escaped(text));
    }
    out.push_str("    </g>\n");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
