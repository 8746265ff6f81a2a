//! *Templates*: listed, shown, added and changed, as `keydove template` does.

use std::collections::BTreeSet;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::super::service::{PortalService, out_of_reach};
use super::{malformed, obstacle, unknown};
use crate::backend::sql::{AdminError, StoredTemplate};
use crate::portal::Response;
use crate::portal::admin::{
    AdminResponse, Done, ProviderSetting, TemplateCard, TemplateDifference, TemplateDifferences,
    TemplateField, TemplateLine, TemplateList, TemplatesRequest,
};
use crate::provision::{Kind, TemplateText};

const MIB: u64 = 1 << 20;
const SERVICES: [&str; 6] = ["imap", "pop3", "smtp", "sieve", "dav", "eas"];
/// The settings that say who gets which template.
const MAPPING: [&str; 5] = ["template_attribute", "default_template", "mapping", "mappers", "templates"];
/// Longest name, in characters: a column of the database.
const LONGEST_NAME: usize = 255;

impl PortalService {
    pub(super) async fn answer_templates(
        &self,
        request: TemplatesRequest,
    ) -> Result<AdminResponse, Response> {
        let database = self.service.decision.database();
        let templates = async || database.templates().await.map_err(|error| out_of_reach(&error));
        match request {
            TemplatesRequest::List => {
                let templates = templates().await?.iter().map(line).collect();
                let mut mapping = self.provider_settings().await?;
                mapping.retain(|ProviderSetting { name, .. }| MAPPING.contains(&&**name));
                Ok(AdminResponse::Templates(TemplateList { templates, mapping }))
            }
            TemplatesRequest::Show { name } => Ok(match find(&templates().await?, &name) {
                Some(template) => AdminResponse::Template(Box::new(card(template))),
                None => unknown(format!("there is no template `{name}`")),
            }),
            TemplatesRequest::Add { name } => {
                let name = name.trim();
                let is_label = !name.is_empty()
                    && name.chars().count() <= LONGEST_NAME
                    && !name.chars().any(char::is_control);
                if !is_label {
                    return Ok(malformed("a name has 1 to 255 characters".to_owned()));
                }
                end(database.add_template(name, &TemplateText::seeded().to_string()).await, 1)
            }
            TemplatesRequest::Set { name, values } => {
                let templates = templates().await?;
                let Some(now) = find(&templates, &name) else {
                    return Ok(unknown(format!("there is no template `{name}`")));
                };
                match changed(now, &values) {
                    Ok((_, 0)) => Ok(AdminResponse::Done(Done { count: 0, holds_within: 0 })),
                    Ok((text, count)) => {
                        end(database.set_template(&now.name, &now.attributes, &text).await, count)
                    }
                    Err(fault) => Ok(malformed(fault)),
                }
            }
            TemplatesRequest::Compare { name, text } => Ok(match find(&templates().await?, &name) {
                None => unknown(format!("there is no template `{name}`")),
                Some(now) => match TemplateText::read_new(text.trim()) {
                    Ok(_) => AdminResponse::Compared(compared(now, text.trim())),
                    Err(fault) => malformed(fault.to_string()),
                },
            }),
            TemplatesRequest::Replace { name, text, of } => {
                let templates = templates().await?;
                let Some(now) = find(&templates, &name) else {
                    return Ok(unknown(format!("there is no template `{name}`")));
                };
                if let Err(fault) = TemplateText::read_new(text.trim()) {
                    return Ok(malformed(fault.to_string()));
                }
                if digest(now) != of {
                    return Ok(malformed(format!("the template `{name}` was changed since it was compared")));
                }
                end(database.set_template(&now.name, &now.attributes, text.trim()).await, 1)
            }
        }
    }
}

/// Stands for a template as it is stored.
fn digest(template: &StoredTemplate) -> String {
    Sha256::digest(template.attributes.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What differs, by key. One that is stored in a form that is none differs in all of them.
fn compared(now: &StoredTemplate, text: &str) -> TemplateDifferences {
    let keys = |text: &str| match serde_json::from_str(text) {
        Ok(Value::Object(keys)) => keys,
        _ => serde_json::Map::new(),
    };
    let (before, after) = (keys(&now.attributes), keys(text));
    let all: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let shown = |value: Option<&Value>| value.map(Value::to_string);
    let differs = all.into_iter().filter(|key| before.get(*key) != after.get(*key));
    let keys = differs.map(|key| TemplateDifference {
        key: key.clone(),
        before: shown(before.get(key)),
        after: shown(after.get(key)),
    });
    TemplateDifferences { of: digest(now), keys: keys.collect() }
}

fn end(end: Result<(), AdminError>, count: u64) -> Result<AdminResponse, Response> {
    match end {
        Ok(()) => Ok(AdminResponse::Done(Done { count, holds_within: 0 })),
        Err(error) => obstacle(error),
    }
}

fn find<'a>(templates: &'a [StoredTemplate], name: &str) -> Option<&'a StoredTemplate> {
    templates.iter().find(|template| template.is_named(name))
}

/// The stored text with what differs, and how many keys do.
fn changed(now: &StoredTemplate, values: &[(String, String)]) -> Result<(String, u64), String> {
    let shown = card(now).fields;
    let mut text = TemplateText::read_stored(&now.attributes).map_err(|fault| fault.to_string())?;
    let mut count = 0;
    for (key, value) in values {
        let value = value.trim();
        if shown.iter().any(|field| field.key == *key && field.value == value) {
            continue;
        }
        let bytes =
            match TemplateText::kind(key) {
                Some(Kind::Bytes) => {
                    let bytes = value.parse::<u64>().ok().and_then(|mib| mib.checked_mul(MIB));
                    Some(bytes.ok_or_else(|| {
                        format!("`{key}` cannot be `{value}`: a number of MiB, 0 for no limit")
                    })?)
                }
                _ => None,
            };
        let value = bytes.map_or_else(|| value.to_owned(), |bytes| bytes.to_string());
        text.set(key, &value).map_err(|fault| fault.to_string())?;
        count += 1;
    }
    Ok((text.to_string(), count))
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn line(template: &StoredTemplate) -> TemplateLine {
    let attributes: Value = serde_json::from_str(&template.attributes).unwrap_or_default();
    let is_on = |service: &&str| number(&attributes[format!("{service}_access")]) != Some(0);
    TemplateLine {
        name: template.name.clone(),
        quota: number(&attributes["quota"]).unwrap_or(0),
        services: SERVICES.into_iter().filter(is_on).map(str::to_owned).collect(),
    }
}

fn card(template: &StoredTemplate) -> TemplateCard {
    let attributes: Value = serde_json::from_str(&template.attributes).unwrap_or_default();
    let field = |(key, kind): (&'static str, Kind)| {
        let stored = &attributes[key];
        let text = || match stored {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let tags = || {
            let tags = stored.as_array().into_iter().flatten().filter_map(Value::as_str);
            tags.collect::<Vec<_>>().join(", ")
        };
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let (value, choices) = match kind {
            Kind::Tags => (tags(), Vec::new()),
            Kind::Bytes => {
                (number(stored).map_or_else(String::new, |bytes| (bytes / MIB).to_string()), Vec::new())
            }
            Kind::Switch => (text(), words(&["0", "1"])),
            Kind::State => (text(), words(&["0", "1", "2"])),
            Kind::Number => (text(), Vec::new()),
            Kind::Word(of) => (text(), words(of)),
        };
        TemplateField { key: key.to_owned(), value, choices }
    };
    TemplateCard {
        name: template.name.clone(),
        fields: TemplateText::kinds().map(field).collect(),
        text: template.attributes.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(attributes: &str) -> StoredTemplate {
        StoredTemplate { name: "Default".to_owned(), attributes: attributes.to_owned() }
    }

    #[test]
    fn what_differs_from_a_file_is_named_by_key_in_any_order_of_keys() {
        let now = stored(r#"{"quota":1048576,"pop3_access":"1","own":7}"#);
        let same = compared(&now, r#"{ "own": 7, "pop3_access": "1", "quota": 1048576 }"#);
        assert_eq!((same.keys.len(), same.of.len()), (0, 64));
        let found = compared(&now, r#"{"quota":0,"pop3_access":"1","tags":["a"]}"#);
        let keys = found.keys.iter().map(|one| (&*one.key, one.before.as_deref(), one.after.as_deref()));
        let wanted = [
            ("own", Some("7"), None),
            ("quota", Some("1048576"), Some("0")),
            ("tags", None, Some("[\"a\"]")),
        ];
        assert!(keys.eq(wanted), "{found:?}");
    }

    #[test]
    fn only_what_differs_is_changed_and_a_quota_is_in_mib() {
        let now = stored(r#"{"quota":1048577,"pop3_access":"1","own":7}"#);
        let pairs = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        };
        let fields = card(&now).fields;
        let value = |key: &str| fields.iter().find(|field| field.key == key).unwrap().value.clone();
        assert_eq!((&*value("quota"), &*value("pop3_access"), &*value("tags")), ("1", "1", ""));
        // A byte more than a MiB stays, where nobody has changed it.
        let same = pairs(&[("quota", "1"), ("pop3_access", "1"), ("tags", "")]);
        assert_eq!(changed(&now, &same).unwrap().1, 0);
        let (text, count) = changed(&now, &pairs(&[("quota", "5"), ("pop3_access", "0")])).unwrap();
        assert_eq!(count, 2);
        assert!(
            text.contains("\"quota\":5242880")
                && text.contains("\"pop3_access\":0")
                && text.contains("\"own\":7")
        );
        for (key, value) in [("quota", "5GB"), ("pop3_access", "2"), ("colour", "red")] {
            assert!(changed(&now, &pairs(&[(key, value)])).is_err(), "{key}");
        }
        let line = line(&stored(r#"{"quota":"2097152","pop3_access":0}"#));
        assert_eq!((line.quota, line.services.contains(&"pop3".to_owned())), (2 << 20, false));
    }
}
