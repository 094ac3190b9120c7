//! The language of `?filter=`: comparisons of fields, joined by `and`, `or` and `not` (hashicorp/go-bexpr).

use regex::{Regex, RegexBuilder};
use serde_json::Value;

/// Longest text; what is longer is not parsed.
const BYTES_MAX: usize = 4 * 1024;
/// Regular expressions in one expression, and how large each may become.
const PATTERNS_MAX: usize = 8;
const PATTERN_BYTES_MAX: usize = 64 * 1024;
/// How deep parentheses and negations may go.
const DEPTH_MAX: usize = 64;

/// A condition on what is shown.
#[derive(Debug)]
pub(crate) enum Filter {
    Or(Box<Self>, Box<Self>),
    And(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Match(Selector, Test),
}

/// The path of a field: `Service.Meta["version"]`.
type Selector = Vec<Box<str>>;

/// What is asked of a field.
#[derive(Debug)]
pub(crate) enum Test {
    Equals(Box<str>),
    /// It is a list, a text or an object that has this among it.
    Contains(Box<str>),
    Empty,
    Matches(Box<Regex>),
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Token {
    /// A name or a bare value.
    Word(Box<str>),
    /// A value between quotes.
    Quoted(Box<str>),
    /// `==`, `!=`, `.`, `[`, `]`, `(` or `)`.
    Sign(&'static str),
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    patterns: usize,
}

impl Filter {
    /// # Errors
    /// It is no expression; why, for the client to read.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > BYTES_MAX {
            return Err(format!("the expression has {} bytes; at most {BYTES_MAX}", text.len()));
        }
        let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0, patterns: 0 };
        let filter = parser.or()?;
        match parser.peek() {
            None => Ok(filter),
            Some(token) => Err(format!("{} does not belong there", shown(Some(token)))),
        }
    }

    /// Drops from a list, or from what stands under keys, whatever does not meet it.
    pub(crate) fn keep(&self, value: &mut Value) {
        match value {
            Value::Array(items) => items.retain(|item| self.meets(item)),
            // Of a node, its services; this agent itself is no list.
            Value::Object(fields) if fields.contains_key("Services") => self.keep(&mut fields["Services"]),
            Value::Object(fields) if fields.contains_key("Config") => {}
            Value::Object(fields) => fields.retain(|_, item| self.meets(item)),
            _ => {}
        }
    }

    /// Whether what is shown meets it.
    pub(crate) fn meets(&self, value: &Value) -> bool {
        match self {
            Self::Or(one, other) => one.meets(value) || other.meets(value),
            Self::And(one, other) => one.meets(value) && other.meets(value),
            Self::Not(inner) => !inner.meets(value),
            Self::Match(selector, test) => {
                let mut found = Some(value);
                for part in selector {
                    found = found.and_then(|value| value.get(&**part));
                }
                test.meets(found)
            }
        }
    }
}

impl Test {
    fn meets(&self, value: Option<&Value>) -> bool {
        match self {
            Self::Equals(wanted) => value.is_some_and(|value| is(value, wanted)),
            Self::Contains(wanted) => match value {
                Some(Value::Array(items)) => items.iter().any(|item| is(item, wanted)),
                Some(Value::Object(fields)) => fields.contains_key(&**wanted),
                Some(Value::String(text)) => text.contains(&**wanted),
                _ => false,
            },
            Self::Empty => match value {
                None | Some(Value::Null) => true,
                Some(Value::Array(items)) => items.is_empty(),
                Some(Value::Object(fields)) => fields.is_empty(),
                Some(Value::String(text)) => text.is_empty(),
                Some(_) => false,
            },
            Self::Matches(pattern) => value.and_then(Value::as_str).is_some_and(|text| pattern.is_match(text)),
        }
    }
}

/// Whether a field holds what was written.
fn is(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        Value::Bool(truth) => crate::fields::truth(wanted) == Some(*truth),
        Value::Number(number) => wanted.parse::<f64>().is_ok_and(|wanted| number.as_f64() == Some(wanted)),
        _ => false,
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    const SIGNS: [&str; 7] = ["==", "!=", ".", "[", "]", "(", ")"];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '"' || first == '`' {
            let inner = &rest[1..];
            let end = inner.find(first).ok_or_else(|| format!("{first} is not closed"))?;
            tokens.push(Token::Quoted(inner[..end].into()));
            rest = &inner[end + 1..];
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            tokens.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        } else {
            let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | ':');
            let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
            if end == 0 {
                return Err(format!("{first:?} means nothing here"));
            }
            tokens.push(Token::Word(rest[..end].into()));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

fn shown(token: Option<&Token>) -> String {
    match token {
        None => "the end".to_owned(),
        Some(Token::Word(text) | Token::Quoted(text)) => format!("{text:?}"),
        Some(Token::Sign(sign)) => format!("{sign:?}"),
    }
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    /// Takes a word, if it comes next.
    fn word(&mut self, wanted: &str) -> bool {
        let is = matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted));
        self.at += usize::from(is);
        is
    }

    fn sign(&mut self, wanted: &str) -> bool {
        let is = matches!(self.peek(), Some(Token::Sign(sign)) if *sign == wanted);
        self.at += usize::from(is);
        is
    }

    fn or(&mut self) -> Result<Filter, String> {
        let mut filter = self.and()?;
        while self.word("or") {
            filter = Filter::Or(Box::new(filter), Box::new(self.and()?));
        }
        Ok(filter)
    }

    fn and(&mut self) -> Result<Filter, String> {
        let mut filter = self.not()?;
        while self.word("and") {
            filter = Filter::And(Box::new(filter), Box::new(self.not()?));
        }
        Ok(filter)
    }

    fn not(&mut self) -> Result<Filter, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("it is nested deeper than {DEPTH_MAX}"));
        }
        let filter = if self.word("not") {
            Filter::Not(Box::new(self.not()?))
        } else if self.sign("(") {
            let inner = self.or()?;
            if !self.sign(")") {
                return Err(format!("expected ) and found {}", shown(self.peek())));
            }
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(filter)
    }

    /// `field op value`, or `value in field`.
    fn comparison(&mut self) -> Result<Filter, String> {
        if let Some(Token::Quoted(value)) = self.peek().cloned() {
            self.at += 1;
            return self.is_in(value);
        }
        let begun = self.at;
        let selector = self.selector()?;
        let negated = |on: bool, test: Test, selector: Selector| {
            let found = Filter::Match(selector, test);
            if on { Filter::Not(Box::new(found)) } else { found }
        };
        if self.sign("==") {
            return Ok(negated(false, Test::Equals(self.value()?), selector));
        }
        if self.sign("!=") {
            return Ok(negated(true, Test::Equals(self.value()?), selector));
        }
        if self.word("is") {
            let not = self.word("not");
            if !self.word("empty") {
                return Err(format!("expected empty and found {}", shown(self.peek())));
            }
            return Ok(negated(not, Test::Empty, selector));
        }
        let not = self.word("not");
        if self.word("contains") {
            return Ok(negated(not, Test::Contains(self.value()?), selector));
        }
        if self.word("matches") {
            let pattern = self.value()?;
            self.patterns += 1;
            if self.patterns > PATTERNS_MAX {
                return Err(format!("more than {PATTERNS_MAX} regular expressions"));
            }
            let pattern = RegexBuilder::new(&pattern)
                .size_limit(PATTERN_BYTES_MAX)
                .build()
                .map_err(|error| format!("{pattern:?} is no regular expression: {error}"))?;
            return Ok(negated(not, Test::Matches(Box::new(pattern)), selector));
        }
        // A bare value: `web in Service.Tags`.
        let [value] = &selector[..] else {
            return Err(format!("expected an operator and found {}", shown(self.peek())));
        };
        let value = value.clone();
        self.at = begun + 1;
        self.is_in(value)
    }

    fn is_in(&mut self, value: Box<str>) -> Result<Filter, String> {
        let not = self.word("not");
        if !self.word("in") {
            return Err(format!("expected an operator and found {}", shown(self.peek())));
        }
        let found = Filter::Match(self.selector()?, Test::Contains(value));
        Ok(if not { Filter::Not(Box::new(found)) } else { found })
    }

    fn selector(&mut self) -> Result<Selector, String> {
        let Some(Token::Word(first)) = self.peek().cloned() else {
            return Err(format!("expected the name of a field and found {}", shown(self.peek())));
        };
        self.at += 1;
        let mut selector = vec![first];
        loop {
            if self.sign(".") {
                let Some(Token::Word(part)) = self.peek().cloned() else {
                    return Err(format!("expected the name of a field and found {}", shown(self.peek())));
                };
                self.at += 1;
                selector.push(part);
            } else if self.sign("[") {
                selector.push(self.value()?);
                if !self.sign("]") {
                    return Err(format!("expected ] and found {}", shown(self.peek())));
                }
            } else {
                return Ok(selector);
            }
        }
    }

    fn value(&mut self) -> Result<Box<str>, String> {
        let Some(Token::Word(value) | Token::Quoted(value)) = self.peek().cloned() else {
            return Err(format!("expected a value and found {}", shown(self.peek())));
        };
        self.at += 1;
        // A number may have a point.
        let mut text = String::from(value);
        while text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && self.sign(".") {
            let Some(Token::Word(more)) = self.peek().cloned() else {
                return Err(format!("expected a number and found {}", shown(self.peek())));
            };
            self.at += 1;
            text.push('.');
            text.push_str(&more);
        }
        Ok(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn meets(filter: &str) -> bool {
        let value = json!({
            "Node": {"Node": "a", "Meta": {"rack": "r1"}},
            "Service": {"ID": "web-1", "Tags": ["v1", "primary"], "Port": 8080, "Meta": {"ver": "1", "a.b": "x"},
                        "EnableTagOverride": false, "Address": ""},
        });
        Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}")).meets(&value)
    }

    #[test]
    fn what_users_write_is_met_as_they_mean_it() {
        for filter in [
            "Service.Port == 8080",
            "Service.Port==8080",
            r#"Service.ID == "web-1""#,
            "Service.ID == web-1",
            r#""v1" in Service.Tags"#,
            "v1 in Service.Tags and primary in Service.Tags",
            r#"Service.Tags contains "primary""#,
            r#"Service.Meta.ver == 1"#,
            r#"Service.Meta["a.b"] == "x""#,
            "ver in Service.Meta",
            "Service.Meta is not empty and Service.Address is empty",
            "not Service.Port == 1 and (Node.Node == b or Node.Node == a)",
            r#"Service.ID matches "^web-[0-9]+$""#,
            r#"Service.ID not matches "^db""#,
            "Service.EnableTagOverride == false",
            r#"Service.ID != "web-2" or Service.Port == 1"#,
            r#""v9" not in Service.Tags"#,
            "Service.Nothing != x",
            "Service.Port == 8080.0",
        ] {
            assert!(meets(filter), "{filter}");
        }
        for filter in ["Service.Port == 80", "v9 in Service.Tags", "not v1 in Service.Tags", "Service.Nothing == x"] {
            assert!(!meets(filter), "{filter}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused_with_the_reason() {
        let said = |text: &str| Filter::parse(text).unwrap_err();
        assert_eq!(said("bad expr"), "expected an operator and found \"expr\"");
        assert_eq!(said(""), "expected the name of a field and found the end");
        assert_eq!(said("a == b c"), "\"c\" does not belong there");
        assert_eq!(said("(a == b"), "expected ) and found the end");
        assert_eq!(said("a == \"b"), "\" is not closed");
        assert!(said("a matches \"(\"").contains("is no regular expression"));
        assert!(said(&"not ".repeat(100)).contains("nested deeper"));
        assert!(said(&"x".repeat(5000)).contains("at most"));
        assert_eq!(said("a = b"), "'=' means nothing here");
    }
}
