//! A table of text: names on the left, figures on the right.

use std::fmt;

/// Writes a line of headings, then a line a row, each column as wide as it must be.
#[doc(hidden)]
pub fn write(
    f: &mut fmt::Formatter<'_>,
    headings: &[&str],
    rows: impl IntoIterator<Item = (String, Vec<String>)>,
) -> fmt::Result {
    let headings = (String::new(), headings.iter().map(|heading| (*heading).to_owned()).collect());
    let lines: Vec<(String, Vec<String>)> = std::iter::once(headings).chain(rows).collect();
    let width_of = |texts: &mut dyn Iterator<Item = &String>| texts.map(|text| text.chars().count()).max().unwrap_or(0);
    let first = width_of(&mut lines.iter().map(|(name, _)| name));
    let widths: Vec<usize> = (0..lines[0].1.len())
        .map(|column| width_of(&mut lines.iter().filter_map(|(_, figures)| figures.get(column))))
        .collect();
    for (name, figures) in &lines {
        write!(f, "{name:first$}")?;
        for (figure, width) in figures.iter().zip(&widths) {
            write!(f, "  {figure:>width$}")?;
        }
        writeln!(f)?;
    }
    Ok(())
}
