//! The picture for Graphviz: `anode graph --format dot | dot -Tpdf`.

use std::fmt::Write as _;

use super::{Graph, Key, Kind, Node};

pub fn write(graph: &Graph) -> String {
    let mut out =
        String::from("digraph anode {\n  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n");
    let mut edges = String::new();
    for (number, frame) in graph.frames.iter().enumerate() {
        // Writing to a string can not fail.
        let _ = writeln!(out, "  subgraph cluster_{number} {{");
        let _ = writeln!(out, "    label={};", quoted(&format!("{}\n{}", frame.title, frame.note)));
        for root in &frame.roots {
            add(root, &mut out, &mut edges);
        }
        out.push_str("  }\n");
    }
    out + &edges + "}\n"
}

fn add(node: &Node, out: &mut String, edges: &mut String) {
    let shape = match node.kind {
        Kind::Definition => Some("shape=component"),
        Kind::Abstract => Some("style=\"rounded,dashed\""),
        Kind::Profile => Some("style=\"rounded\""),
        // It stands in its own frame, and the edge leads there.
        Kind::Elsewhere => None,
    };
    if let Some(shape) = shape {
        let text = [node.id(), &node.title, &node.facts.join(", ")];
        let text: Vec<_> = text.into_iter().filter(|line| !line.is_empty()).collect();
        let _ = writeln!(out, "    {} [label={}, {shape}];", name(&node.key), quoted(&text.join("\n")));
    }
    for child in &node.children {
        let _ = writeln!(edges, "  {} -> {};", name(&node.key), name(&child.key));
        add(child, out, edges);
    }
}

fn name(key: &Key) -> String {
    quoted(&match key {
        Key::Definition(id) => format!("installers/{id}"),
        Key::Profile(None, id) => id.to_string(),
        Key::Profile(Some(organisation), id) => format!("orgs/{organisation}/{id}"),
    })
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
