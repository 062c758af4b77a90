//! Rows of label, text and lines of the lab file, set in columns.

use crate::source::{Folder, Span};

/// A text being written.
pub(super) struct Page<'f> {
    folder: &'f Folder,
    text: String,
    rows: Vec<(String, String, Vec<Span>)>,
}

impl<'f> Page<'f> {
    pub(super) fn new(folder: &'f Folder, title: &str) -> Self {
        Self { folder, text: format!("{title}\n"), rows: Vec::new() }
    }

    /// A heading; the rows after it are set in columns of their own.
    pub(super) fn heading(&mut self, heading: &str) {
        self.flush();
        self.text.push_str(&format!("\n{heading}\n"));
    }

    pub(super) fn row(&mut self, label: impl Into<String>, text: impl Into<String>, from: &[Span]) {
        self.rows.push((label.into(), text.into(), from.to_vec()));
    }

    fn flush(&mut self) {
        let widest = self.rows.iter().map(|(label, ..)| label.chars().count()).max().unwrap_or(0);
        for (label, text, from) in std::mem::take(&mut self.rows) {
            let mut lines: Vec<String> = Vec::new();
            for span in from {
                let line = self.folder.line(span);
                if !line.is_empty() && !lines.contains(&line) {
                    lines.push(line);
                }
            }
            let from = if lines.is_empty() { String::new() } else { format!("   ({})", lines.join(", ")) };
            let row = format!("  {label:widest$}  {text}{from}");
            self.text.push_str(row.trim_end());
            self.text.push('\n');
        }
    }

    pub(super) fn finish(mut self) -> String {
        self.flush();
        self.text
    }
}
