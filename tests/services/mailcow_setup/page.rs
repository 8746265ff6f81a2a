//! `docs/mailcow.md` typed as it stands, block by block, on a host like a mailcow's: paths, mailcow's network, the database
//! user's name and the owner of secrets are this host's, `docker` and `systemctl` are doubles, everything else is real.

use std::fs;
use std::process::Command;

use super::ground::{ALICE, Ground, USER, stop};
use crate::ensure;
use crate::stage::{Failure, Result, attempt, source_tree};

/// In place of `systemctl`: it starts and stops keydove, and notes what it is told.
const SYSTEMCTL_DOUBLE: &str = r#"#!/bin/sh
echo "$*" >>@HOST@/units
stop() { @STOP@; }
start() {
    @KEYDOVE@ serve --config @ETC@/keydove.toml >>@HOST@/log 2>&1 &
    echo $! >@HOST@/pid
    until @KEYDOVE@ status --config @ETC@/keydove.toml >/dev/null 2>&1; do kill -0 "$(cat @HOST@/pid)" || exit 1; sleep 0.1; done
}
case "$*" in
    "enable --now keydove") start ;;
    "restart keydove") stop; start ;;
    "disable --now keydove"*) stop ;;
esac
"#;

/// The page, and the host on which it is typed.
pub struct Typist<'a> {
    ground: &'a Ground,
    /// Headings with their blocks, in order; a block is `true` where it is typed, and `false` where it is put into a file.
    sections: Vec<(String, Vec<(bool, String)>)>,
}

impl<'a> Typist<'a> {
    pub fn new(ground: &'a Ground) -> Result<Self> {
        let page = source_tree().join("docs/mailcow.md");
        let text = attempt("read", &page, fs::read_to_string(&page))?;
        let typist = Self { ground, sections: sections(&text) };
        typist.ground.write("bin/systemctl", &typist.here(SYSTEMCTL_DOUBLE))?;
        let own = "#!/bin/sh\nword=$1; shift\nexec @KEYDOVE@ \"$word\" --config @ETC@/keydove.toml \"$@\"\n";
        typist.ground.write("bin/keydove", &typist.here(own))?;
        for name in ["bin/systemctl", "bin/keydove"] {
            typist.ground.allow(name)?;
        }
        fs::create_dir_all(typist.ground.path("systemd")).map_err(|error| Failure(error.to_string()))?;
        Ok(typist)
    }

    /// What the page says, for this host.
    fn here(&self, text: &str) -> String {
        let shown = |name: &str| self.ground.path(name).display().to_string();
        text.replace("/usr/share/keydove/mailcow", &source_tree().join("mailcow").display().to_string())
            .replace("/etc/systemd/system", &shown("systemd"))
            .replace("/etc/keydove", &shown("etc"))
            .replace("-g keydove", "-g root")
            .replace("'keydove'@'%'", &format!("'{USER}'@'localhost'"))
            .replace("keydove grants", "keydove grants --from localhost")
            .replace("172.22.1.", &format!("{}.", self.ground.network))
            .replace("127.0.0.1:9082:", &format!("127.0.0.1:{}:", self.ground.shadow))
            .replace("you@example.org", ALICE)
            .replace("@STOP@", &stop(&self.ground.path("")))
            .replace("@HOST@", &shown(""))
            .replace("@ETC@", &shown("etc"))
            .replace("@KEYDOVE@", env!("CARGO_BIN_EXE_keydove"))
    }

    fn section(&self, heading: &str) -> Result<&[(bool, String)]> {
        let found = self.sections.iter().find(|(name, _)| name == heading);
        found.map(|(_, blocks)| &blocks[..]).ok_or_else(|| Failure(format!("no section \"{heading}\"")))
    }

    /// Types the commands of these blocks of a section, counted from 0. Returns what they print.
    pub fn types(&self, heading: &str, blocks: std::ops::Range<usize>) -> Result<String> {
        let section = self.section(heading)?;
        let mut said = String::new();
        for number in blocks {
            let block =
                section.get(number).ok_or_else(|| Failure(format!("{heading}: no block {number}")))?;
            ensure(block.0, || format!("{heading}, block {number} is no command: {}", block.1))?;
            let path = std::env::var("PATH").unwrap_or_default();
            let mut shell = Command::new("/bin/bash");
            shell.args(["-e", "-o", "pipefail", "-c", &self.here(&block.1)]);
            shell.current_dir(&self.ground.opt);
            shell.env("PATH", format!("{}:{path}", self.ground.path("bin").display()));
            let output = attempt("type", &self.ground.opt, shell.output())?;
            said += &String::from_utf8_lossy(&output.stdout);
            ensure(output.status.success(), || {
                let words = String::from_utf8_lossy(&output.stderr).into_owned();
                format!(
                    "{heading}: {}\nended with {}: {said}{words}\n{}",
                    block.1,
                    output.status,
                    self.ground.log()
                )
            })?;
        }
        Ok(said)
    }

    /// A block that is put into a file.
    pub fn file(&self, heading: &str, number: usize) -> Result<String> {
        match self.section(heading)?.get(number) {
            Some((false, text)) => Ok(self.here(text)),
            other => Err(Failure(format!("{heading}, block {number} is no file: {other:?}"))),
        }
    }

    /// How many blocks a section has, so that a new one is not forgotten here.
    pub fn count(&self, heading: &str) -> Result<usize> {
        Ok(self.section(heading)?.len())
    }
}

fn sections(page: &str) -> Vec<(String, Vec<(bool, String)>)> {
    let mut found: Vec<(String, Vec<(bool, String)>)> = vec![(String::new(), Vec::new())];
    let (mut is_fenced, mut was_code) = (false, false);
    for line in page.lines() {
        let Some((_, blocks)) = found.last_mut() else { break };
        if line.starts_with("```") {
            is_fenced = !is_fenced;
            if is_fenced {
                blocks.push((false, String::new()));
            }
        } else if is_fenced {
            if let Some((_, block)) = blocks.last_mut() {
                *block += &format!("{line}\n");
            }
        } else if let Some(code) = line.strip_prefix("    ") {
            if !was_code {
                blocks.push((true, String::new()));
            }
            if let Some((_, block)) = blocks.last_mut() {
                *block += &format!("{code}\n");
            }
            was_code = true;
            continue;
        } else if line.starts_with('#') {
            found.push((line.trim_start_matches('#').trim().to_owned(), Vec::new()));
        }
        was_code = false;
    }
    found
}
