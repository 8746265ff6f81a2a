//! What is shipped for Prometheus and Grafana names only metrics that there are.

use std::collections::BTreeSet;
use std::path::Path;

use keydove::frontend::operations::Numbers;

const FILES: [&str; 2] = ["examples/grafana-keydove.json", "docs/alerts.yml"];

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The names of series, with what each kind of metric puts after its own.
fn known() -> BTreeSet<String> {
    let text = Numbers::default().to_text();
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let series = families.flat_map(|(name, kind)| {
        let ends: &[&str] = match kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            "info" => &["_info"],
            _ => &[""],
        };
        ends.iter().map(move |end| format!("{name}{end}"))
    });
    series.collect()
}

fn named(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
    let words = text.split(|c: char| !is_part(c));
    words.filter(|word| word.starts_with("keydove_")).map(str::to_owned).collect()
}

#[test]
fn dashboards_and_alerts_name_metrics_that_are_there() {
    let known = known();
    assert!(known.len() > 20, "{known:?}");
    for file in FILES {
        let named = named(&read(file));
        assert!(named.len() >= 5, "{file} names {named:?}");
        let missing: Vec<_> = named.difference(&known).collect();
        assert!(missing.is_empty(), "{file} names {missing:?}");
    }
}

#[test]
fn the_dashboard_is_json_with_a_question_in_each_panel() {
    let dashboard: serde_json::Value = serde_json::from_str(&read(FILES[0])).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() >= 15, "{} panels", panels.len());
    for panel in panels {
        let targets = panel["targets"].as_array().unwrap();
        let asks = |target: &serde_json::Value| {
            target["expr"].as_str().is_some_and(|expr| expr.contains("keydove_"))
        };
        assert!(!targets.is_empty() && targets.iter().all(asks), "{}", panel["title"]);
    }
}

/// The page on monitoring leaves no family out.
#[test]
fn the_manual_lists_every_metric() {
    let page = read("docs/monitoring.md");
    let missing: Vec<_> = known()
        .into_iter()
        .filter(|name| !["_bucket", "_sum"].iter().any(|end| name.ends_with(end)))
        .filter(|name| {
            let name = name.trim_start_matches("keydove_").trim_end_matches("_count");
            !page.contains(&format!("`{name}"))
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
