//! The printed table: figure, limit, whether it holds.

/// Rows as they come, and how many missed their limit.
pub(crate) struct Table {
    names: Vec<String>,
    missed: Vec<String>,
    rows: usize,
}

impl Table {
    pub(crate) fn new(names: Vec<String>) -> Self {
        println!("{:<62} {:>12} {:>12} {:>9}  {:>9}", "workload", "ours", "bare", "figure", "at most");
        Self { names, missed: Vec::new(), rows: 0 }
    }

    /// Whether a group of rows was asked for.
    pub(crate) fn wants(&self, group: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| group.contains(name.as_str()))
    }

    /// A ratio to something measured in the same run, in nanoseconds.
    pub(crate) fn ratio(&mut self, what: &str, ours: f64, bare: f64, most: f64) {
        let figure = ours / bare;
        self.row(
            what,
            &format!("{ours:.1} ns"),
            &format!("{bare:.1} ns"),
            &format!("{figure:.2} x"),
            &format!("{most} x"),
            figure <= most,
        );
    }

    /// A figure with an absolute limit.
    pub(crate) fn most(&mut self, what: &str, figure: f64, unit: &str, most: f64) {
        self.row(what, "", "", &format!("{figure:.2} {unit}"), &format!("{most} {unit}"), figure <= most);
    }

    /// A figure that is to be at least so large.
    pub(crate) fn least(&mut self, what: &str, figure: f64, unit: &str, least: f64) {
        self.row(what, "", "", &format!("{figure:.2} {unit}"), &format!(">= {least} {unit}"), figure >= least);
    }

    /// A figure without a limit.
    pub(crate) fn note(&mut self, what: &str, figure: f64, unit: &str) {
        self.row(what, "", "", &format!("{figure:.2} {unit}"), "", true);
    }

    pub(crate) fn finish(&self) {
        println!("\n{} rows, {} over their limit", self.rows, self.missed.len());
        for missed in &self.missed {
            println!("  over: {missed}");
        }
    }

    fn row(&mut self, what: &str, ours: &str, bare: &str, figure: &str, most: &str, holds: bool) {
        self.rows += 1;
        let mark = if holds { "" } else { "  OVER" };
        println!("{what:<62} {ours:>12} {bare:>12} {figure:>9}  {most:>9}{mark}");
        if !holds {
            self.missed.push(format!("{what}: {figure}, at most {most}"));
        }
    }
}
