//! Where each node of a forest stands: columns by depth, leaves one below the other, a parent in the middle of its children.

use super::{Frame, Kind, Node};

/// A node with its place, in pixels from the corner of its frame.
#[derive(Debug)]
pub struct Box<'g> {
    pub node: &'g Node,
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
    /// The place of its parent among the boxes.
    pub parent: Option<usize>,
}

/// The nodes of a frame.
pub struct Placed<'g> {
    pub boxes: Vec<Box<'g>>,
    pub width: usize,
    pub height: usize,
}

/// Room for three lines of text.
pub const HEIGHT: usize = 58;
/// Between two rows.
const ROW: usize = 14;
/// Between two columns, for the lines.
const GAP: usize = 56;
/// The most characters of a title; the rest is in the tooltip.
pub const TITLE: usize = 34;

/// Places the nodes of a frame.
pub fn place(frame: &Frame) -> Placed<'_> {
    let mut columns = Vec::new();
    for root in &frame.roots {
        measure(root, 0, &mut columns);
    }
    let mut lefts = vec![0];
    for width in &columns {
        lefts.push(lefts.last().copied().unwrap_or(0) + width + GAP);
    }
    let mut placed = Placed { boxes: Vec::new(), width: 0, height: 0 };
    let mut next = 0;
    for root in &frame.roots {
        put(root, None, 0, &columns, &lefts, &mut next, &mut placed.boxes);
    }
    placed.width = lefts.last().map_or(0, |right| right.saturating_sub(GAP));
    placed.height = next.saturating_sub(ROW);
    placed
}

fn measure(node: &Node, depth: usize, columns: &mut Vec<usize>) {
    if columns.len() == depth {
        columns.push(0);
    }
    if let Some(width) = columns.get_mut(depth) {
        *width = (*width).max(text_width(node));
    }
    for child in &node.children {
        measure(child, depth + 1, columns);
    }
}

/// Wider than the text in any usual font: names are monospaced (0.6 em of 13 pixels), titles at most 7 pixels a character.
fn text_width(node: &Node) -> usize {
    let name = columns_of(node.id()) * 8;
    let title = columns_of(&short(&node.title)) * 7;
    let facts = columns_of(&node.facts.join(" · ")) * 7;
    let reference = if node.kind == Kind::Elsewhere { 16 } else { 0 };
    name.max(title).max(facts) + 24 + reference
}

/// Characters of East Asian scripts are two columns wide.
fn columns_of(text: &str) -> usize {
    text.chars().map(|c| if u32::from(c) < 0x1100 { 1 } else { 2 }).sum()
}

/// A title that fits.
pub fn short(title: &str) -> String {
    if title.chars().count() <= TITLE {
        return title.to_owned();
    }
    let cut: String = title.chars().take(TITLE - 1).collect();
    format!("{}…", cut.trim_end())
}

fn put<'g>(
    node: &'g Node,
    parent: Option<usize>,
    depth: usize,
    columns: &[usize],
    lefts: &[usize],
    next: &mut usize,
    boxes: &mut Vec<Box<'g>>,
) -> usize {
    let own = boxes.len();
    let at = |list: &[usize]| list.get(depth).copied().unwrap_or(0);
    boxes.push(Box { node, x: at(lefts), y: 0, width: at(columns), height: HEIGHT, parent });
    let mut middles = Vec::new();
    for child in &node.children {
        middles.push(put(child, Some(own), depth + 1, columns, lefts, next, boxes));
    }
    let y = match (middles.first(), middles.last()) {
        (Some(first), Some(last)) => (first + last) / 2,
        _ => {
            let y = *next;
            *next += HEIGHT + ROW;
            y
        }
    };
    if let Some(own) = boxes.get_mut(own) {
        own.y = y;
    }
    y
}

#[cfg(test)]
mod tests {
    use super::super::Key;
    use super::*;
    use anode_bundle::name::Id;

    fn node(number: usize, children: Vec<Node>) -> Node {
        let id = Id::new(&format!("profile-{number}")).unwrap();
        Node {
            kind: Kind::Profile,
            key: Key::Profile(None, id),
            title: "x".repeat(number * 9),
            facts: Vec::new(),
            children,
        }
    }

    #[test]
    fn no_two_boxes_overlap_and_a_parent_stands_left_of_its_children() {
        let tree = |seed: usize| {
            let leaves = |count: usize| (0..count).map(|number| node(number, Vec::new())).collect::<Vec<_>>();
            node(seed, vec![node(1, leaves(seed)), node(2, Vec::new()), node(3, vec![node(4, leaves(2))])])
        };
        let frame = Frame {
            title: String::new(),
            note: String::new(),
            roots: vec![tree(0), tree(1), tree(5), node(9, vec![])],
        };
        let placed = place(&frame);
        assert_eq!(placed.boxes.len(), 7 + 8 + 12 + 1);
        for (number, one) in placed.boxes.iter().enumerate() {
            assert!(one.x + one.width <= placed.width && one.y + one.height <= placed.height);
            assert!(text_width(one.node) <= one.width);
            for other in &placed.boxes[..number] {
                let beside = one.x + one.width <= other.x || other.x + other.width <= one.x;
                let below = one.y + one.height <= other.y || other.y + other.height <= one.y;
                assert!(beside || below, "{one:?} {other:?}");
            }
            if let Some(parent) = one.parent {
                assert!(placed.boxes[parent].x + placed.boxes[parent].width < one.x);
            }
        }
    }
}
