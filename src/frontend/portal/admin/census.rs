//! *Census*: users and passwords, counted.

use serde_json::Value;

use super::super::service::PortalService;
use crate::jobs::errands::Errand;
use crate::portal::admin::{AdminResponse, CensusCard, CensusFinding, CensusRequest};

impl PortalService {
    pub(super) fn answer_census(&self, request: CensusRequest) -> AdminResponse {
        match request {
            CensusRequest::Count => self.begin(Errand::Census),
            CensusRequest::Show => {
                let (count, found) = self.errand(Errand::Census);
                AdminResponse::Census(Box::new(CensusCard { count, ..of_document(&found) }))
            }
        }
    }
}

/// What `keydove census --json` prints.
fn of_document(found: &Value) -> CensusCard {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = |key: &str| found[key].as_u64().unwrap_or(0);
    let finding = |(code, sighting): (&String, &Value)| CensusFinding {
        code: code.clone(),
        count: sighting["count"].as_u64().unwrap_or(0),
        examples: serde_json::from_value(sighting["examples"].clone()).unwrap_or_default(),
    };
    let trouble =
        |source: &Value| Some(format!("{}: {}", text(&source["name"]), source["trouble"].as_str()?));
    CensusCard {
        complete: found["complete"] == true,
        seen: number("seen"),
        set_aside: number("set_aside"),
        troubles: found["sources"].as_array().into_iter().flatten().filter_map(trouble).collect(),
        passwords: serde_json::from_value(found["passwords"].clone()).unwrap_or_default(),
        findings: found["findings"].as_object().into_iter().flatten().map(finding).collect(),
        ..CensusCard::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::sync;

    #[test]
    fn the_document_of_the_command_is_what_the_page_shows() {
        let mut counted = sync::Census { complete: true, seen: 7, ..sync::Census::default() };
        let sighting = sync::Sighting { count: 2, examples: ["a@example.org".to_owned()].into() };
        counted.findings.insert("no_address", sighting.clone());
        let kind = sync::Found {
            grade: sync::Grade::Weak,
            place: "keycloak",
            scheme: "PLAIN-MD5",
            cost: String::new(),
        };
        counted.passwords.push(sync::PasswordCount { kind, sighting });
        let census = of_document(&serde_json::to_value(&counted).unwrap());
        assert!(census.complete && census.seen == 7);
        assert_eq!((&*census.findings[0].code, census.findings[0].count), ("no_address", 2));
        let line = &census.passwords[0];
        assert_eq!((&*line.grade, &*line.scheme, &*line.examples[0]), ("weak", "PLAIN-MD5", "a@example.org"));
    }
}
