//! XML as Eureka's clients read it: elements and texts, and nothing else.

/// A document that is being written.
#[derive(Debug, Default)]
pub(crate) struct Xml(String);

impl Xml {
    pub(crate) fn open(&mut self, name: &str) {
        self.0.push('<');
        self.name(name);
        self.0.push('>');
    }

    pub(crate) fn open_with(&mut self, name: &str, (attribute, value): (&str, &str)) {
        self.0.push('<');
        self.name(name);
        self.0.push(' ');
        self.0.push_str(attribute);
        self.0.push_str("=\"");
        self.escaped(value);
        self.0.push_str("\">");
    }

    pub(crate) fn close(&mut self, name: &str) {
        self.0.push_str("</");
        self.name(name);
        self.0.push('>');
    }

    /// An element that holds a text.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.open(name);
        self.escaped(text);
        self.close(name);
    }

    /// The same with an attribute.
    pub(crate) fn with(&mut self, name: &str, attribute: (&str, &str), text: &str) {
        self.open_with(name, attribute);
        self.escaped(text);
        self.close(name);
    }

    pub(crate) fn done(self) -> Vec<u8> {
        self.0.into_bytes()
    }

    /// What may not be part of a name becomes `_` (XML 1.0 section 2.3; letters of ASCII are enough here).
    fn name(&mut self, name: &str) {
        let first = |c: char| c.is_ascii_alphabetic() || c == '_';
        if !name.starts_with(first) {
            self.0.push('_');
        }
        self.0.extend(
            name.chars().map(|c| if first(c) || c.is_ascii_digit() || matches!(c, '-' | '.') { c } else { '_' }),
        );
    }

    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                // No document may hold these, escaped or not.
                '\u{fffe}' | '\u{ffff}' => self.0.push('\u{fffd}'),
                c if c.is_control() && !matches!(c, '\t' | '\n' | '\r') => self.0.push('\u{fffd}'),
                c => self.0.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Xml;

    #[test]
    fn whatever_was_said_is_a_text() {
        let mut xml = Xml::default();
        xml.open("a");
        xml.text("management.port", "<1 & \"2\">");
        xml.with("port", ("enabled", "true"), "80");
        xml.text("1 k/v", "\u{1}\u{ffff}");
        xml.close("a");
        let expected = "<a><management.port>&lt;1 &amp; &quot;2&quot;&gt;</management.port><port enabled=\"true\">80</port>\
                        <_1_k_v>\u{fffd}\u{fffd}</_1_k_v></a>";
        assert_eq!(String::from_utf8(xml.done()).unwrap(), expected);
    }
}
