//! Why no mailbox can be made for somebody whose password was right.

/// A rule that stands against making a mailbox. mailcow's checks, under the names of mailcow's messages.
///
/// Never a refusal: the password was right, and an administrator can change every one of these. It travels as
/// [`TempFailReason::Provisioning`](super::TempFailReason::Provisioning).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProvisionRefusal {
    /// The template that the mapping names is not in the table `templates`, or is no JSON object.
    TemplateMissing,
    /// No mapping fits the person's template attribute, and there is no default template.
    NoMapping,
    /// A login may have such a name, but mailcow makes no mailbox with it.
    MailboxInvalid,
    /// A login may have such a name, but it belongs to whoever runs the domain: `postmaster`, `admin` and the like.
    ReservedName,
    /// The domain is not hosted here.
    DomainUnknown,
    /// The domain is switched off.
    DomainInactive,
    /// Another mailbox or a resource has this address, or one that the database takes for it.
    ObjectExists,
    /// The address is an alias.
    IsAlias,
    /// The address is a temporary alias, expired or not.
    IsSpamAlias,
    /// The domain has as many mailboxes as it may.
    MaxMailboxExceeded,
    /// The template's quota is more than one mailbox of the domain may have.
    MailboxQuotaExceeded,
    /// The template's quota is more than the domain has left.
    MailboxQuotaLeftExceeded,
    /// The template's quarantine category is none of `add_header`, `reject` and `all`.
    QuarantineCategoryInvalid,
}

impl ProvisionRefusal {
    /// Every one of them.
    pub const ALL: [Self; 13] = [
        Self::TemplateMissing,
        Self::NoMapping,
        Self::MailboxInvalid,
        Self::ReservedName,
        Self::DomainUnknown,
        Self::DomainInactive,
        Self::ObjectExists,
        Self::IsAlias,
        Self::IsSpamAlias,
        Self::MaxMailboxExceeded,
        Self::MailboxQuotaExceeded,
        Self::MailboxQuotaLeftExceeded,
        Self::QuarantineCategoryInvalid,
    ];

    /// The rule's name, without the `provision_` that log lines and metrics put in front.
    #[must_use]
    pub fn code(self) -> &'static str {
        &self.reason_code()["provision_".len()..]
    }

    /// The reason code of log lines and metrics.
    pub(super) fn reason_code(self) -> &'static str {
        match self {
            Self::TemplateMissing => "provision_template_missing",
            Self::NoMapping => "provision_no_mapping",
            Self::MailboxInvalid => "provision_mailbox_invalid",
            Self::ReservedName => "provision_reserved_name",
            Self::DomainUnknown => "provision_domain_unknown",
            Self::DomainInactive => "provision_domain_inactive",
            Self::ObjectExists => "provision_object_exists",
            Self::IsAlias => "provision_is_alias",
            Self::IsSpamAlias => "provision_is_spam_alias",
            Self::MaxMailboxExceeded => "provision_max_mailbox_exceeded",
            Self::MailboxQuotaExceeded => "provision_mailbox_quota_exceeded",
            Self::MailboxQuotaLeftExceeded => "provision_mailbox_quota_left_exceeded",
            Self::QuarantineCategoryInvalid => "provision_quarantine_category_invalid",
        }
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
