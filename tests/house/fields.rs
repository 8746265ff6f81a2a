//! The table of a mailbox's fields in the documentation is the one in the source.

use keydove::provision::FIELDS;

#[test]
fn the_page_about_templates_has_every_field_and_whose_it_is() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/templates.md");
    let page = std::fs::read_to_string(page).unwrap();
    let shown: Vec<&str> = page
        .lines()
        .skip_while(|line| !line.starts_with("| field |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    let rows: Vec<String> = FIELDS
        .iter()
        .map(|field| format!("| {} | {} | {} |", field.place.words(), field.holder.words(), field.note))
        .collect();
    assert_eq!(shown, rows);
}
