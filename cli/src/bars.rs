//! Numbers as bars of block characters.

/// The parts of a character's width.
const WIDTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A bar that is `width` characters long for the most, and seen for anything above zero.
pub(crate) fn bar(value: u64, most: u64, width: usize) -> String {
    if value == 0 || most == 0 {
        return String::new();
    }
    let eighths = (value as f64 / most as f64 * width as f64 * 8.0).round().max(1.0) as usize;
    "█".repeat(eighths / 8) + WIDTHS[eighths % 8]
}

/// A column for each value, as high as it is; none for zero.
pub(crate) fn columns(values: &[u64]) -> String {
    let most = values.iter().copied().max().unwrap_or(0);
    let column = |value: &u64| match *value {
        0 => ' ',
        value => HEIGHTS[((value as f64 / most as f64 * 8.0).ceil() as usize).clamp(1, 8) - 1],
    };
    values.iter().map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_values() {
        assert_eq!([0, 1, 50, 99, 100].map(|value| bar(value, 100, 4)), ["", "▏", "██", "████", "████"]);
        assert_eq!(bar(7, 0, 4), "");
    }

    #[test]
    fn columns_are_as_high_as_their_values() {
        assert_eq!(columns(&[0, 1, 4, 8, 800]), " ▁▁▁█");
        assert_eq!(columns(&[0, 1, 4, 5, 8]), " ▁▄▅█");
    }
}
