//! Texts with `%` variables, checked when the configuration is read.

use serde::Deserialize;

use crate::auth::Username;

/// A text with variables in Dovecot's spelling.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Address,
    Local,
    Domain,
    Quota,
}

/// A `%` that stands for nothing known.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no variable; known are %u, %n, %d, %{{user}}, %{{local_part}}, %{{domain}}, %{{quota}} and %% for a percent sign"
)]
pub struct UnknownVariable(String);

impl Template {
    /// A text in which `%` has no meaning.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        Self(vec![Part::Text(text.to_owned())])
    }

    /// The text for one mailbox. `quota` is in bytes.
    #[must_use]
    pub fn fill(&self, user: &Username, quota: u64) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Address => text.push_str(user.as_str()),
                Part::Local => text.push_str(user.local_part()),
                Part::Domain => text.push_str(user.domain()),
                Part::Quota => text.push_str(&quota.to_string()),
            }
        }
        text
    }
}

impl TryFrom<String> for Template {
    type Error = UnknownVariable;

    fn try_from(text: String) -> Result<Self, UnknownVariable> {
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while let Some(percent) = rest.find('%') {
            parts.push(Part::Text(rest[..percent].to_owned()));
            let (part, length) = read_variable(&rest[percent..])?;
            parts.push(part);
            rest = &rest[percent + length..];
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Ok(Self(parts))
    }
}

/// Reads the variable at the start of a text; says how many bytes it takes.
fn read_variable(text: &str) -> Result<(Part, usize), UnknownVariable> {
    let name = match text.strip_prefix("%{") {
        Some(long) => match long.find('}') {
            Some(end) => &text[..end + 3],
            None => text,
        },
        None => text.char_indices().nth(2).map_or(text, |(end, _)| &text[..end]),
    };
    let part = match name {
        "%%" => Part::Text("%".to_owned()),
        "%u" | "%{user}" => Part::Address,
        "%n" | "%{local_part}" => Part::Local,
        "%d" | "%{domain}" => Part::Domain,
        "%{quota}" => Part::Quota,
        _ => return Err(UnknownVariable(name.to_owned())),
    };
    Ok((part, name.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_short_names_mean_the_same() {
        let short = Template::try_from("%u %n %d".to_owned()).unwrap();
        let long = Template::try_from("%{user} %{local_part} %{domain}".to_owned()).unwrap();
        assert_eq!(short, long);
    }

    #[test]
    fn an_unknown_variable_is_named() {
        for (text, name) in
            [("a%x/b", "%x"), ("%{home}", "%{home}"), ("50%", "%"), ("%{open", "%{open"), ("%ü", "%ü")]
        {
            assert_eq!(Template::try_from(text.to_owned()), Err(UnknownVariable(name.to_owned())), "{text}");
        }
    }
}
