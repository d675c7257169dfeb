//! The printed table: each figure, the bare limit beside it, their ratio, and what the figure or the ratio may be at most.

/// Rows as they come, and how many missed their limit.
pub(crate) struct Table {
    names: Vec<String>,
    missed: Vec<String>,
    rows: usize,
}

/// A figure with three digits that say something.
fn text(figure: f64, unit: &str) -> String {
    let size = if figure == 0.0 { 0.0 } else { figure.abs().log10().floor() };
    let digits = (2.0 - size).clamp(0.0, 9.0) as usize;
    format!("{figure:.digits$} {unit}")
}

impl Table {
    pub(crate) fn new(names: Vec<String>) -> Self {
        println!("{:<62} {:>12} {:>12} {:>9}  {:>9}", "workload", "ours", "bare", "ratio", "at most");
        Self { names, missed: Vec::new(), rows: 0 }
    }

    /// Whether a group of rows was asked for.
    pub(crate) fn wants(&self, group: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| group.contains(name.as_str()))
    }

    /// A ratio to something measured in the same run, in nanoseconds, with a limit.
    pub(crate) fn ratio(&mut self, what: &str, ours: f64, bare: f64, most: f64) {
        let figure = ours / bare;
        self.row(
            what,
            &format!("{ours:.1} ns"),
            &format!("{bare:.1} ns"),
            figure,
            &format!("{most} x"),
            figure <= most,
        );
    }

    /// A figure with an absolute limit.
    pub(crate) fn most(&mut self, what: &str, ours: f64, bare: f64, unit: &str, most: f64) {
        let text = |figure| text(figure, unit);
        self.row(what, &text(ours), &text(bare), ours / bare, &format!("{most} {unit}"), ours <= most);
    }

    /// A figure that is to be at least so large.
    pub(crate) fn least(&mut self, what: &str, ours: f64, bare: f64, unit: &str, least: f64) {
        let text = |figure| text(figure, unit);
        self.row(what, &text(ours), &text(bare), ours / bare, &format!(">= {least} {unit}"), ours >= least);
    }

    /// A figure without a limit.
    pub(crate) fn note(&mut self, what: &str, ours: f64, bare: f64, unit: &str) {
        let text = |figure| text(figure, unit);
        self.row(what, &text(ours), &text(bare), ours / bare, "", true);
    }

    /// Rows that this build cannot measure.
    pub(crate) fn missing(&self, what: &str, feature: &str) {
        println!("{what:<62} needs `--features {feature}`");
    }

    pub(crate) fn finish(&self) {
        println!("\n{} rows, {} over their limit", self.rows, self.missed.len());
        for missed in &self.missed {
            println!("  over: {missed}");
        }
    }

    fn row(&mut self, what: &str, ours: &str, bare: &str, ratio: f64, most: &str, holds: bool) {
        self.rows += 1;
        // There is nothing to compare with if the bare limit is none.
        let ratio = if ratio.is_finite() { format!("{ratio:.2} x") } else { String::new() };
        let mark = if holds { "" } else { "  OVER" };
        println!("{what:<62} {ours:>12} {bare:>12} {ratio:>9}  {most:>9}{mark}");
        if !holds {
            self.missed.push(format!("{what}: {ours} against {bare} bare, {ratio}, at most {most}"));
        }
    }
}
