//! Why no mailbox can be made for somebody whose password was right: the one table of these rules.

/// Makes the enum, the list and the codes out of one table, a row each: what it means, its name, and the reason code of
/// log lines and metrics.
macro_rules! refusals {
    ($($(#[$meaning:meta])+ $name:ident = $code:literal;)+) => {
        /// A rule that stands against making a mailbox. mailcow's checks, under the names of mailcow's messages.
        ///
        /// Never a refusal: the password was right, and an administrator can change every one of these. It travels as
        /// [`TempFailReason::Provisioning`](super::TempFailReason::Provisioning).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ProvisionRefusal {
            $($(#[$meaning])+ $name,)+
        }

        impl ProvisionRefusal {
            /// Every one of them.
            pub const ALL: [Self; [$($code),+].len()] = [$(Self::$name),+];

            /// The reason code of log lines and metrics.
            pub(super) fn reason_code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)+
                }
            }
        }
    };
}

refusals! {
    /// The template that the mapping names is not in the table `templates`, or is no JSON object.
    TemplateMissing = "provision_template_missing";
    /// No mapping fits the person's template attribute, and there is no default template.
    NoMapping = "provision_no_mapping";
    /// A login may have such a name, but mailcow makes no mailbox with it.
    MailboxInvalid = "provision_mailbox_invalid";
    /// A login may have such a name, but it belongs to whoever runs the domain: `postmaster`, `admin` and the like.
    ReservedName = "provision_reserved_name";
    /// The domain is not hosted here.
    DomainUnknown = "provision_domain_unknown";
    /// The domain is switched off.
    DomainInactive = "provision_domain_inactive";
    /// Another mailbox or a resource has this address, or one that the database takes for it.
    ObjectExists = "provision_object_exists";
    /// The address is an alias.
    IsAlias = "provision_is_alias";
    /// The address is a temporary alias, expired or not.
    IsSpamAlias = "provision_is_spam_alias";
    /// The domain has as many mailboxes as it may.
    MaxMailboxExceeded = "provision_max_mailbox_exceeded";
    /// The template's quota is more than one mailbox of the domain may have.
    MailboxQuotaExceeded = "provision_mailbox_quota_exceeded";
    /// The template's quota is more than the domain has left.
    MailboxQuotaLeftExceeded = "provision_mailbox_quota_left_exceeded";
    /// The template's quarantine category is none of `add_header`, `reject` and `all`.
    QuarantineCategoryInvalid = "provision_quarantine_category_invalid";
}

impl ProvisionRefusal {
    /// The rule's name, without the `provision_` that log lines and metrics put in front.
    #[must_use]
    pub fn code(self) -> &'static str {
        &self.reason_code()["provision_".len()..]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::ProvisionRefusal;
    use crate::auth::TempFailReason;

    #[test]
    fn every_rule_has_a_code_of_its_own() {
        let codes: BTreeSet<_> = ProvisionRefusal::ALL.iter().map(|refusal| refusal.code()).collect();
        assert_eq!(codes.len(), ProvisionRefusal::ALL.len());
        for refusal in ProvisionRefusal::ALL {
            let reason = TempFailReason::Provisioning(refusal).code();
            assert_eq!(reason, format!("provision_{}", refusal.code()));
        }
    }
}
