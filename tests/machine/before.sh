#!/bin/bash
# A mail server as it may be before keydove, inside the machine: users in a file of Dovecot's, mail delivered by LMTP,
# a submission service that asks Dovecot about logins. The owner of the mail is there already.
set -euo pipefail
# {PLAIN}: what is measured is the change, and not hashes.
echo 'alice@example.org:{PLAIN}pw' >/etc/dovecot/users
chgrp dovecot /etc/dovecot/users
chmod 0640 /etc/dovecot/users
sed -i 's/^!include auth-system.conf.ext/!include auth-site.conf.ext/' /etc/dovecot/conf.d/10-auth.conf
if [[ $(dovecot --version) = 2.3* ]]; then
    cat >/etc/dovecot/conf.d/auth-site.conf.ext <<'END'
passdb {
  driver = passwd-file
  args = username_format=%u /etc/dovecot/users
}
userdb {
  driver = static
  args = uid=5000 gid=5000 home=/var/vmail/%d/%n
}
END
else
    cat >/etc/dovecot/conf.d/auth-site.conf.ext <<'END'
passdb passwd-file {
  passwd_file_path = /etc/dovecot/users
}
userdb static {
  fields {
    uid = 5000
    gid = 5000
    home = /var/vmail/%{user | domain}/%{user | username}
  }
}
END
fi
{
    if [[ $(dovecot --version) = 2.3* ]]; then
        echo 'mail_location = maildir:~/Maildir'
    else
        cat <<'END'
mail_driver = maildir
mail_path = ~/Maildir
mail_inbox_path = ~/Maildir
# Debian's own cuts the domain off.
protocol lmtp {
  auth_username_format = %{user | lower}
}
END
    fi
    cat <<'END'
service lmtp {
  unix_listener /var/spool/postfix/private/dovecot-lmtp {
    mode = 0600
    user = postfix
    group = postfix
  }
}
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0660
    user = postfix
    group = postfix
  }
}
END
} >/etc/dovecot/conf.d/95-site.conf
postconf -e 'virtual_mailbox_domains = example.org' 'virtual_mailbox_maps = static:all' \
    'virtual_transport = lmtp:unix:private/dovecot-lmtp' 'mydestination = localhost' 'inet_protocols = ipv4' \
    'smtpd_client_connection_rate_limit = 0'
postconf -M 'submission/inet=submission inet n - y - - smtpd'
postconf -P submission/inet/smtpd_sasl_auth_enable=yes submission/inet/smtpd_sasl_type=dovecot \
    submission/inet/smtpd_sasl_path=private/auth submission/inet/smtpd_tls_security_level=encrypt
systemctl restart dovecot postfix
