//! *Templates*.

type Text = &'static str;

/// Their sentences.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "a text's name says where it stands, and the languages show it")]
pub struct TemplateTexts {
    pub title: Text,
    pub intro: Text,
    pub template: Text,
    pub quota: Text,
    pub services: Text,
    pub no_quota: Text,
    pub add: Text,
    pub add_text: Text,
    pub name: Text,
    pub add_do: Text,
    pub mapping: Text,
    pub mapping_text: Text,
    pub set: Text,
    pub set_text: Text,
    pub set_do: Text,
    pub not_set: Text,
    pub done: Text,
    pub unchanged: Text,
    pub not_done: Text,
    pub unknown: Text,
    pub back: Text,
}

impl TemplateTexts {
    pub(super) const ENGLISH: Self = Self {
        title: "Templates",
        intro: "A template says what a new mailbox gets: its quota, its services, and what its user may change.",
        template: "Template",
        quota: "Quota",
        services: "Services",
        no_quota: "no limit",
        add: "Add a template",
        add_text: "It begins with everything on and no quota. Change it then, and name it in the mapping.",
        name: "Name",
        add_do: "Add",
        mapping: "Attribute mapping",
        mapping_text: "Who gets which template. Each line is changed where it stands.",
        set: "Change the template",
        set_text: "The quota is in MiB, 0 is no limit; a switch is 1 or 0; tags have commas between them. docs/templates.md explains each key. The same as `keydove template set`.",
        set_do: "Save",
        not_set: "not set",
        done: "Done. Mailboxes get it as it is now, new ones and those that follow the template.",
        unchanged: "Nothing differs, so nothing was changed.",
        not_done: "Nothing was changed:",
        unknown: "There is no such template any more:",
        back: "All templates",
    };
    pub(super) const GERMAN: Self = Self {
        title: "Vorlagen",
        intro: "Eine Vorlage sagt, was ein neues Postfach bekommt: Größe, Dienste, und was seine Person ändern darf.",
        template: "Vorlage",
        quota: "Größe",
        services: "Dienste",
        no_quota: "ohne Grenze",
        add: "Vorlage anlegen",
        add_text: "Sie beginnt mit allem eingeschaltet und ohne Grenze. Ändern Sie sie danach, und nennen Sie sie in der Zuordnung.",
        name: "Name",
        add_do: "Anlegen",
        mapping: "Zuordnung von Eigenschaften",
        mapping_text: "Wer welche Vorlage bekommt. Jede Zeile wird dort geändert, wo sie steht.",
        set: "Vorlage ändern",
        set_text: "Die Größe ist in MiB, 0 ist ohne Grenze; ein Schalter ist 1 oder 0; zwischen Schlagworten stehen Kommas. docs/templates.md erklärt jeden Schlüssel. Dasselbe wie `keydove template set`.",
        set_do: "Speichern",
        not_set: "nicht gesetzt",
        done: "Erledigt. Postfächer bekommen die Vorlage, wie sie jetzt ist: neue, und die ihr folgen.",
        unchanged: "Nichts ist anders, also wurde nichts geändert.",
        not_done: "Nichts wurde geändert:",
        unknown: "Diese Vorlage gibt es nicht mehr:",
        back: "Alle Vorlagen",
    };
}
