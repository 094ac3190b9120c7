//! Drawing: data in, SVG out. What is drawn, and why, is decided in `charts`.

use super::markup::escaped;
use std::fmt::Write;

/// Width of every plot in its own units, which are about a pixel on a phone.
pub(super) const WIDTH: f64 = 460.0;
/// Height of most.
pub(super) const HEIGHT: f64 = 270.0;
/// Room for labels: left, right, top, bottom.
const MARGINS: [f64; 4] = [46.0, 14.0, 36.0, 40.0];
/// About how wide a letter of a label is.
const LETTER: f64 = 6.4;

/// From values to places.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    /// Equal distances are equal ratios, not differences.
    is_logarithmic: bool,
}

impl Scale {
    /// Where a value is; what is out of range is at the edge.
    fn at(&self, value: f64) -> f64 {
        let share = if self.is_logarithmic {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low).max(f64::MIN_POSITIVE)
        };
        self.from + share.clamp(0.0, 1.0) * (self.to - self.from)
    }

    /// Round values, about `count` of them.
    fn ticks(&self, count: f64) -> Vec<f64> {
        if self.is_logarithmic {
            let decades = (-3..13).map(|power| 10_f64.powi(power));
            return decades.filter(|decade| (self.low..=self.high).contains(decade)).collect();
        }
        let step = round_step((self.high - self.low) / count);
        let first = (self.low / step).ceil();
        let last = (self.high / step + 1e-9).floor();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a handful")]
        let many = (last - first).clamp(0.0, 50.0) as u32;
        (0..=many).map(|nth| (first + f64::from(nth)) * step).collect()
    }
}

/// 1, 2 or 5 times a power of ten, at least `least`.
fn round_step(least: f64) -> f64 {
    let least = least.max(1e-12);
    let power = 10_f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= least * 0.999_999);
    factor.unwrap_or(10.0) * power
}

/// Where the side of a label is that its place names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Anchor {
    /// The text begins there.
    Start,
    /// The text ends there.
    End,
    /// The text is around it.
    Middle,
}

/// How an axis is called, and how its values are written.
pub(super) struct Axis<'a> {
    /// From which value.
    pub(super) low: f64,
    /// To which value.
    pub(super) high: f64,
    /// What is counted, with its unit.
    pub(super) name: &'a str,
    /// How a value is written.
    pub(super) write: &'a dyn Fn(f64) -> String,
    /// Whether equal distances are equal ratios; `low` has to be above zero then.
    pub(super) is_logarithmic: bool,
}

impl Axis<'_> {
    fn scale(&self, from: f64, to: f64) -> Scale {
        let &Self { low, is_logarithmic, .. } = self;
        Scale { low, high: self.high.max(low + 1e-9), from, to, is_logarithmic }
    }
}

/// A plot in the making.
pub(super) struct Plot {
    x: Scale,
    y: Scale,
    height: f64,
    body: String,
}

impl Plot {
    /// An empty one, with its axes.
    pub(super) fn new(x: &Axis<'_>, y: &Axis<'_>) -> Self {
        let [left, right, top, bottom] = MARGINS;
        let mut plot = Self {
            x: x.scale(left, WIDTH - right),
            y: y.scale(HEIGHT - bottom, top),
            height: HEIGHT,
            body: String::new(),
        };
        plot.axes(x, y);
        plot
    }

    /// One with rows from top to bottom instead of a vertical axis.
    pub(super) fn rows(x: &Axis<'_>, rows: usize, row_height: f64, left: f64) -> Self {
        let [_, right, _, bottom] = MARGINS;
        let (top, many) = (6.0, rows as f64);
        let height = top + bottom + row_height * many;
        let mut plot = Self {
            x: x.scale(left, WIDTH - right),
            y: Scale { low: 0.0, high: many, from: top, to: height - bottom, is_logarithmic: false },
            height,
            body: String::new(),
        };
        plot.x_axis(x);
        plot
    }

    fn axes(&mut self, x: &Axis<'_>, y: &Axis<'_>) {
        let (from, to) = (self.x.from, self.x.to);
        for value in self.y.ticks(4.0) {
            let at = self.y.at(value);
            let _ = write!(self.body, "<path class=\"grid\" d=\"M{from:.1} {at:.1}H{to:.1}\"/>");
            self.text("tick", from - 7.0, at + 4.0, Anchor::End, &(y.write)(value));
        }
        self.x_axis(x);
        self.text("axis", 2.0, 12.0, Anchor::Start, y.name);
    }

    fn x_axis(&mut self, x: &Axis<'_>) {
        let bottom = self.height - MARGINS[3];
        let _ = write!(self.body, "<path class=\"base\" d=\"M{:.1} {bottom:.1}H{:.1}\"/>", self.x.from, self.x.to);
        for value in self.x.ticks(6.0) {
            let at = self.x.at(value);
            let _ = write!(self.body, "<path class=\"base\" d=\"M{at:.1} {bottom:.1}v4\"/>");
            self.text("tick", at, bottom + 17.0, Anchor::Middle, &(x.write)(value));
        }
        self.text("axis", self.x.to, self.height - 5.0, Anchor::End, x.name);
    }

    /// Text at a place of the drawing.
    fn text(&mut self, class: &str, x: f64, y: f64, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::End => "end",
            Anchor::Middle => "middle",
        };
        let text = escaped(text);
        let _ = write!(
            self.body,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        );
    }

    /// A line through points. Points that would not be seen apart are left out.
    pub(super) fn line(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        let mut path = String::new();
        let mut last: Option<(f64, f64)> = None;
        let mut skipped = None;
        for (x, y) in points {
            let at = (self.x.at(x), self.y.at(y));
            let near = last.is_some_and(|last| (last.0 - at.0).abs() < 0.4 && (last.1 - at.1).abs() < 0.4);
            if near {
                skipped = Some(at);
                continue;
            }
            skipped = None;
            let _ = write!(path, "{}{:.1} {:.1}", if last.is_none() { 'M' } else { 'L' }, at.0, at.1);
            last = Some(at);
        }
        if let Some((x, y)) = skipped {
            let _ = write!(path, "L{x:.1} {y:.1}");
        }
        if !path.is_empty() {
            let _ = write!(self.body, "<path class=\"curve {class}\" d=\"{path}\"/>");
        }
    }

    /// What lies between two lines: for each x, from which y to which.
    pub(super) fn band(&mut self, class: &str, points: &[(f64, f64, f64)]) {
        let upper = points.iter().map(|(x, _, high)| (self.x.at(*x), self.y.at(*high)));
        let lower = points.iter().rev().map(|(x, low, _)| (self.x.at(*x), self.y.at(*low)));
        let mut path = String::new();
        for (x, y) in upper.chain(lower) {
            let _ = write!(path, "{}{x:.1} {y:.1}", if path.is_empty() { 'M' } else { 'L' });
        }
        if !path.is_empty() {
            let _ = write!(self.body, "<path class=\"band {class}\" d=\"{path}Z\"/>");
        }
    }

    /// A stretch of the horizontal axis with a name, if there is room for it.
    pub(super) fn stretch(&mut self, shaded: bool, from: f64, to: f64, name: &str) {
        let (from, to, top) = (self.x.at(from), self.x.at(to), MARGINS[2]);
        let (width, height) = (to - from, self.height - MARGINS[3] - top);
        if shaded {
            let _ = write!(
                self.body,
                "<rect class=\"stretch\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
            );
        }
        if width > letters(name) {
            self.text("phase", f64::midpoint(from, to), top - 6.0, Anchor::Middle, name);
        }
    }

    /// A vertical line at a value, with its name at the top.
    pub(super) fn mark(&mut self, x: f64, name: &str) {
        let (at, top, bottom) = (self.x.at(x), MARGINS[2], self.height - MARGINS[3]);
        let _ = write!(self.body, "<path class=\"mark\" d=\"M{at:.1} {top:.1}V{bottom:.1}\"/>");
        // On the left, where what has to come after it is not.
        let fits = at - letters(name) > self.x.from;
        let (x, anchor) = if fits { (at - 6.0, Anchor::End) } else { (at + 6.0, Anchor::Start) };
        self.text("label muted", x, bottom - 8.0, anchor, name);
    }

    /// A name beside a point: on its right if there is room, else on its left.
    pub(super) fn label(&mut self, class: &str, x: f64, y: f64, name: &str) {
        let (x, y) = (self.x.at(x), self.y.at(y) + 4.0);
        let fits = x + 8.0 + letters(name) <= WIDTH;
        let (x, anchor) = if fits { (x + 8.0, Anchor::Start) } else { (x - 8.0, Anchor::End) };
        self.text(&format!("label {class}"), x, y, anchor, name);
    }

    /// A name below or above a point, ending at the right edge of the plot.
    pub(super) fn end_label(&mut self, class: &str, y: f64, below: bool, name: &str) {
        let y = self.y.at(y) + if below { 16.0 } else { -7.0 };
        self.text(&format!("label {class}"), self.x.to, y, Anchor::End, name);
    }

    /// What does not fit any more, at the right edge.
    pub(super) fn overflow(&mut self, y: f64, text: &str) {
        let y = self.y.at(y) + 16.0;
        self.text("label muted", self.x.to, y, Anchor::End, text);
    }

    /// A dot.
    pub(super) fn dot(&mut self, class: &str, x: f64, y: f64, radius: f64) {
        let (x, y) = (self.x.at(x), self.y.at(y));
        let _ = write!(self.body, "<circle class=\"dot {class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"/>");
    }

    /// A name at the left of a row.
    pub(super) fn row_name(&mut self, row: f64, name: &str) {
        let (x, y) = (self.x.from - 10.0, self.y.at(row) + 4.0);
        self.text("tick strong", x, y, Anchor::End, name);
    }

    /// The drawing. `id` is its name on the page, `title` and `desc` say what there is to see.
    pub(super) fn finish(self, id: &str, title: &str, desc: &str) -> String {
        let (title, desc, height) = (escaped(title), escaped(desc), self.height);
        format!(
            "<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
             <title id=\"{id}-t\">{title}</title><desc id=\"{id}-d\">{desc}</desc>{}</svg>\n",
            self.body
        )
    }
}

/// How wide a text is, about.
pub(super) fn letters(text: &str) -> f64 {
    text.chars().count() as f64 * LETTER
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(low: f64, high: f64) -> Vec<f64> {
        Scale { low, high, from: 0.0, to: 1.0, is_logarithmic: false }.ticks(5.0)
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(0.0, 10.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks(0.0, 3.1), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(ticks(988.0, 1_001.0), [990.0, 995.0, 1_000.0]);
        assert_eq!(ticks(0.0, 0.0), [0.0]);
    }

    #[test]
    fn decades_are_equally_far_from_each_other() {
        let scale = Scale { low: 10.0, high: 1_000.0, from: 0.0, to: 2.0, is_logarithmic: true };
        assert_eq!(scale.ticks(5.0), [10.0, 100.0, 1_000.0]);
        assert_eq!([0.0, 10.0, 100.0, 1_000.0, 5_000.0].map(|value| scale.at(value)), [0.0, 0.0, 1.0, 2.0, 2.0]);
    }

    fn plot() -> Plot {
        let write = |value: f64| format!("{value}");
        Plot::new(
            &Axis { low: 0.0, high: 10.0, name: "x", write: &write, is_logarithmic: false },
            &Axis { low: 0.0, high: 1.0, name: "y <z>", write: &write, is_logarithmic: false },
        )
    }

    #[test]
    fn points_nobody_could_tell_apart_are_not_drawn_and_the_last_one_is() {
        let mut plot = plot();
        plot.line("a", (0..=10_000).map(|nth| (f64::from(nth) / 1_000.0, 1.0)));
        let path = plot.body.split("class=\"curve a\" d=\"").nth(1).unwrap().split('"').next().unwrap();
        assert!(path.matches('L').count() < 1_100, "{}", path.len());
        assert!(path.ends_with("446.0 36.0"), "{path}");
    }

    #[test]
    fn labels_stay_inside_and_text_is_escaped() {
        let mut plot = plot();
        plot.label("a", 10.0, 0.5, "a long name");
        assert!(plot.body.contains("text-anchor=\"end\">a long name<"));
        let svg = plot.finish("id", "<t>", "d");
        assert!(svg.contains("y &lt;z&gt;") && svg.contains("<title id=\"id-t\">&lt;t&gt;</title>"));
    }
}
