//! A socket as setup wants it, and how it is written in keydove.toml.

use std::fmt::Write;
use std::path::PathBuf;

/// One socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listener {
    pub(super) purpose: Purpose,
    pub(super) path: PathBuf,
    /// Permission bits, owner and group, where keydove makes it itself.
    pub(super) access: (&'static str, Option<&'static str>, Option<&'static str>),
    /// The unit of systemd that makes it.
    pub(super) unit: Option<&'static str>,
    /// A folder of Dovecot's that must be there first, with `login` above it.
    pub(super) folder: Option<PathBuf>,
}

/// What is spoken, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    DovecotClients,
    PostfixClients,
    Master,
    Hook,
    Policy,
    Socketmap,
    Control,
    Portal,
}

impl Purpose {
    fn lines(self) -> &'static str {
        match self {
            Self::DovecotClients => "door = \"auth-client\"\nrole = \"dovecot\"\n",
            Self::PostfixClients => "door = \"auth-client\"\nrole = \"postfix\"\n",
            Self::Master => "door = \"auth-master\"\n",
            Self::Hook => "door = \"hook\"\n",
            Self::Policy => "door = \"policy\"\n",
            Self::Socketmap => "door = \"socketmap\"\n",
            Self::Control => "door = \"control\"\n",
            Self::Portal => "door = \"portal\"\n",
        }
    }
}

impl Listener {
    pub(super) fn new(purpose: Purpose, path: PathBuf) -> Self {
        Self { purpose, path, access: ("0600", None, None), unit: None, folder: None }
    }

    pub(super) fn of_unit(self, unit: &'static str) -> Self {
        Self { unit: Some(unit), ..self }
    }

    pub(super) fn for_whom(
        self,
        mode: &'static str,
        owner: Option<&'static str>,
        group: Option<&'static str>,
    ) -> Self {
        Self { access: (mode, owner, group), ..self }
    }

    pub(super) fn text(&self, has_units: bool) -> String {
        let mut text = format!("[[listener]]\n{}path = \"{}\"\n", self.purpose.lines(), self.path.display());
        let (mode, owner, group) = self.access;
        if has_units && self.unit.is_some() {
            return text;
        }
        let _ = writeln!(text, "mode = \"{mode}\"");
        for (name, value) in [("owner", owner), ("group", group)] {
            if let Some(value) = value {
                let _ = writeln!(text, "{name} = \"{value}\"");
            }
        }
        text
    }
}
