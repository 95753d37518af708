//! The text-based format of Prometheus (prometheus.io, "Exposition formats").

use std::fmt::{Display, Write as _};

/// What a number is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// It only rises.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// The text so far.
#[derive(Default)]
pub(super) struct Text(String);

impl Text {
    /// Adds all series of one name; nothing, where there are none.
    pub(super) fn family<V: Display, const N: usize>(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        samples: impl IntoIterator<Item = ([(&'static str, String); N], V)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        let kind = if kind == Kind::Counter { "counter" } else { "gauge" };
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            self.0.push_str(name);
            for (place, (label, text)) in labels.iter().enumerate() {
                let before = if place == 0 { '{' } else { ',' };
                let _ = write!(self.0, "{before}{label}=\"{}\"", escaped(text));
            }
            let end = if N == 0 { "" } else { "}" };
            let _ = writeln!(self.0, "{end} {value}");
        }
    }

    /// The whole.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_written_under_their_name_and_labels_cannot_break_out() {
        let mut text = Text::default();
        text.family(
            "a_total",
            Kind::Counter,
            "What.",
            [([("x", "1\"\\\n}".to_owned()), ("y", String::new())], 7)],
        );
        text.family("none", Kind::Gauge, "Nothing.", std::iter::empty::<([_; 1], u8)>());
        text.family("b", Kind::Gauge, "Alone.", [([], 0.5)]);
        let expected = "# HELP a_total What.\n# TYPE a_total counter\na_total{x=\"1\\\"\\\\\\n}\",y=\"\"} 7\n\
                        # HELP b Alone.\n# TYPE b gauge\nb 0.5\n";
        assert_eq!(text.into_string(), expected);
    }
}
