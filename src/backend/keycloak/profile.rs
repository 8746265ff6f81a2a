//! Who may see and write the attributes: the realm's user profile (Keycloak 24 and later).

use std::fmt;

use serde::Deserialize;

use super::{Client, Error};

const PROFILE: &str = "the user profile";
const COUNT: &str = "the number of users";
const ADMIN: &str = "admin";
const USER: &str = "user";

/// Something in the user profile that an administrator should mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfileFlaw {
    /// The attribute is not declared, and undeclared ones are hidden: everybody seems to have none.
    Hidden(String),
    /// The attribute is declared, but administrators may not see it: everybody seems to have none.
    NotForAdmins(String),
    /// Users may read the attribute in the account console: their own hash, to work on in peace.
    UserReads(String),
    /// Users may write the attribute in the account console, and plant a hash or a template.
    UserWrites(String),
    /// Users may change their address, and log in to the mailbox of the new one.
    UserChangesEmail,
}

impl fmt::Display for ProfileFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hidden(name) => write!(
                f,
                "`{name}` is not declared in the realm's user profile, so nobody seems to have it: declare it there, \
                 view and edit for admin only"
            ),
            Self::NotForAdmins(name) => write!(
                f,
                "`{name}` is declared, but admins may not view it, so nobody seems to have it: give it view and edit \
                 for admin"
            ),
            Self::UserReads(name) => {
                write!(f, "users may view `{name}` in the account console: leave view to admin only")
            }
            Self::UserWrites(name) => write!(
                f,
                "users may edit `{name}` in the account console, and so plant what they like: leave edit to admin only"
            ),
            Self::UserChangesEmail => f.write_str(
                "users may edit `email`, and so log in to the mailbox of any address: leave edit to admin, or set \
                 require_verified_email",
            ),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    #[serde(default)]
    attributes: Vec<Attribute>,
    unmanaged_attribute_policy: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Attribute {
    name: String,
    #[serde(default)]
    permissions: Permissions,
}

#[derive(Debug, Default, Deserialize)]
struct Permissions {
    #[serde(default)]
    view: Vec<String>,
    #[serde(default)]
    edit: Vec<String>,
}

/// What the settings rely on.
struct Reliance<'a> {
    password: &'a str,
    template: &'a str,
    /// The address decides who somebody is, and only Keycloak's word for it is asked.
    by_unverified_email: bool,
}

impl Client {
    /// Looks through the realm's user profile for what would hide the attributes, or let users write them.
    ///
    /// # Errors
    /// The profile cannot be read, as by a Keycloak before 24.
    pub async fn find_profile_flaws(&self) -> Result<Vec<ProfileFlaw>, Error> {
        let profile: Profile = self.read(PROFILE, &self.address().profile_url()).await?;
        let config = self.config();
        Ok(profile.judge(&Reliance {
            password: &config.password_attribute,
            template: &config.template_attribute,
            by_unverified_email: config.lookup == super::LookupBy::Email && !config.require_verified_email,
        }))
    }

    /// How many people the realm has, service accounts left out.
    ///
    /// # Errors
    /// Keycloak cannot tell.
    pub async fn count_people(&self) -> Result<u64, Error> {
        self.read(COUNT, &self.address().count_url()).await
    }
}

impl Profile {
    fn judge(&self, relies_on: &Reliance<'_>) -> Vec<ProfileFlaw> {
        let mut flaws = Vec::new();
        for name in [relies_on.password, relies_on.template] {
            match self.attributes.iter().find(|attribute| attribute.name == name) {
                Some(attribute) => attribute.permissions.judge(name, &mut flaws),
                None => self.judge_undeclared(name, &mut flaws),
            }
        }
        let email = self.attributes.iter().find(|attribute| attribute.name == "email");
        if relies_on.by_unverified_email && email.is_some_and(|email| email.permissions.may_edit(USER)) {
            flaws.push(ProfileFlaw::UserChangesEmail);
        }
        flaws
    }

    fn judge_undeclared(&self, name: &str, flaws: &mut Vec<ProfileFlaw>) {
        match self.unmanaged_attribute_policy.as_deref() {
            Some("ENABLED") => flaws.push(ProfileFlaw::UserWrites(name.to_owned())),
            Some("ADMIN_EDIT" | "ADMIN_VIEW") => {}
            _ => flaws.push(ProfileFlaw::Hidden(name.to_owned())),
        }
    }
}

impl Permissions {
    fn may_edit(&self, who: &str) -> bool {
        self.edit.iter().any(|role| role == who)
    }

    /// Whoever may edit may view.
    fn may_view(&self, who: &str) -> bool {
        self.may_edit(who) || self.view.iter().any(|role| role == who)
    }

    fn judge(&self, name: &str, flaws: &mut Vec<ProfileFlaw>) {
        if !self.may_view(ADMIN) {
            flaws.push(ProfileFlaw::NotForAdmins(name.to_owned()));
        }
        if self.may_edit(USER) {
            flaws.push(ProfileFlaw::UserWrites(name.to_owned()));
        } else if self.may_view(USER) {
            flaws.push(ProfileFlaw::UserReads(name.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaws(profile: &str) -> Vec<ProfileFlaw> {
        let profile: Profile = serde_json::from_str(profile).unwrap();
        profile.judge(&Reliance { password: "hash", template: "template", by_unverified_email: true })
    }

    fn declared(password: &str) -> String {
        let template = r#"{"name":"template","permissions":{"view":["admin"],"edit":["admin"]}}"#;
        format!(r#"{{"attributes":[{{"name":"hash"{password}}},{template},{{"name":"email"}}]}}"#)
    }

    /// Who can write or read the attribute decides who can log in.
    #[test]
    fn each_flaw_is_found_and_a_sound_profile_has_none() {
        use ProfileFlaw::{Hidden, NotForAdmins, UserReads, UserWrites};
        let hash = || "hash".to_owned();
        for (permissions, expected) in [
            (r#","permissions":{"view":["admin"],"edit":["admin"]}"#, vec![]),
            (r#","permissions":{"view":[],"edit":["admin"]}"#, vec![]),
            ("", vec![NotForAdmins(hash())]),
            (r#","permissions":{"view":["user"],"edit":[]}"#, vec![NotForAdmins(hash()), UserReads(hash())]),
            (r#","permissions":{"view":["admin","user"],"edit":["admin"]}"#, vec![UserReads(hash())]),
            (r#","permissions":{"view":["admin"],"edit":["admin","user"]}"#, vec![UserWrites(hash())]),
        ] {
            assert_eq!(flaws(&declared(permissions)), expected, "{permissions}");
        }
        let both = |flaw: fn(String) -> ProfileFlaw| vec![flaw(hash()), flaw("template".to_owned())];
        for (policy, expected) in [
            ("", both(Hidden)),
            (r#""unmanagedAttributePolicy":"ENABLED""#, both(UserWrites)),
            (r#""unmanagedAttributePolicy":"ADMIN_EDIT""#, vec![]),
        ] {
            assert_eq!(flaws(&format!("{{{policy}}}")), expected, "{policy}");
        }
    }

    #[test]
    fn an_address_that_users_change_is_a_flaw_where_it_decides() {
        let profile = r#"{"unmanagedAttributePolicy":"ADMIN_EDIT",
            "attributes":[{"name":"email","permissions":{"view":["user"],"edit":["admin","user"]}}]}"#;
        assert_eq!(flaws(profile), [ProfileFlaw::UserChangesEmail]);
        let parsed: Profile = serde_json::from_str(profile).unwrap();
        let verified = Reliance { password: "hash", template: "template", by_unverified_email: false };
        assert_eq!(parsed.judge(&verified), []);
    }
}
