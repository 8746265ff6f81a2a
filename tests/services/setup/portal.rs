//! `keydove setup --portal` and its undo: a portal started with exactly what setup wrote, a real browser, a real nginx.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use super::super::portal::browser::{Browser, Scripts};
use super::super::portal::{PASSWORD, sign_in};
use super::super::stage::dovecot::Release;
use super::super::stage::portal::{AS_PORTAL, Portal, this_program};
use super::super::stage::process::{Group, Program, accepts, copy_program, run};
use super::super::stage::system::System;
use super::super::stage::{Failure, Result, attempt, free_port};
use super::super::{LoneCase, ensure};
use super::ground::{ALICE, Ground};
use super::{DONE, UNUSABLE, same_as_before, undo};

const MISUSED: i32 = 64;

pub const CASES: &[LoneCase] = &[
    ("setup_makes_a_portal_at_which_people_sign_in_and_takes_it_back", |system| {
        let site = Site::prepare(system)?;
        let ground = &site.ground;
        let (files, realm) = (ground.files()?, ground.realm()?);
        let tried = ground.ends(site.setup(&["--dry-run"]), DONE)?;
        for part in ["+++ Keycloak: client keydove-portal", "door = \"portal\"", "none was made", "For Caddy"]
        {
            ensure(tried.contains(part), || format!("no `{part}` in {tried}"))?;
        }
        same_as_before(ground, &files, &realm)?;

        let done = ground.ends(site.setup(&["--administrator", ALICE.user, "--yes"]), DONE)?;
        ensure(done.matches(": good").count() == 3, || done.clone())?;
        ensure(done.contains("alice@setup.example may see the administrators' pages"), || done.clone())?;
        let portal = site.start()?;
        let browser = Browser::start(ground.stage(), "browser", Scripts::On)?;
        sign_in(&browser, &portal, ALICE.user, "device")?;
        let text = browser.text()?;
        ensure(text.contains(ALICE.user) && text.contains("mail.setup.example"), || text)?;
        let is_administrator = "SELECT DISTINCT administrator FROM keydove_session";
        let told = run(Command::new("sqlite3")
            .arg(ground.folder.join("keydove/keydove.sqlite"))
            .arg(is_administrator))?;
        ensure(told.trim() == "1", || format!("administrator is {told}"))?;

        // keydove's service account sees the role that setup has put inside of the client's.
        browser.open(&format!("{}/admin", portal.address))?;
        let text = browser.text()?;
        ensure(text.contains("Database and Keycloak"), || text)?;

        let (now, known) = (ground.files()?, ground.realm()?);
        let again = ground.ends(site.setup(&["--administrator", ALICE.user, "--yes"]), DONE)?;
        ensure(again.contains("nothing had to be changed"), || again)?;
        let brief = ground.ends(site.again(&["--portal", "--yes"]), DONE)?;
        ensure(brief.contains("nothing had to be changed"), || brief)?;
        same_as_before(ground, &now, &known)?;

        let early = ground.ends(undo(ground), MISUSED)?;
        ensure(early.contains("keydove setup --portal --undo"), || early)?;
        let back = ground.ends(site.again(&["--portal", "--undo", "--yes"]), DONE)?;
        ensure(back.contains("everything is as it was before the portal"), || back)?;
        same_as_before(ground, &files, &realm)?;
        ground.ends(undo(ground), DONE).map(drop)
    }),
    ("setup_brings_the_table_of_an_older_version_up_to_date_and_leaves_an_administrators_own", |system| {
        let site = Site::prepare(system)?;
        let ground = &site.ground;
        ground.ends(site.setup(&["--yes"]), DONE)?;
        let config = ground.folder.join("etc/keydove.toml");
        let own = attempt("read", &config, fs::read_to_string(&config))?;
        let lines = own.lines().filter(|line| !line.starts_with("administrator_realm_role"));
        let older = lines.fold(String::new(), |text, line| text + line + "\n");
        ensure(older != own, || own.clone())?;
        attempt("write", &config, fs::write(&config, &older))?;
        ground.ends(site.again(&["--portal", "--yes"]), DONE)?;
        let renewed = attempt("read", &config, fs::read_to_string(&config))?;
        ensure(renewed == own, || renewed)?;
        let by_hand = older.replace("administrators = true  ", "administrators = true # mine ");
        ensure(by_hand != older, || older.clone())?;
        attempt("write", &config, fs::write(&config, &by_hand))?;
        let said = ground.ends(site.again(&["--portal", "--yes"]), DONE)?;
        ensure(said.contains("Set `administrator_realm_role = \"keydove-portal-administrator\"`"), || said)?;
        let kept = attempt("read", &config, fs::read_to_string(&config))?;
        ensure(kept == by_hand, || kept)
    }),
    ("nginx_takes_what_setup_prints_for_it_and_passes_requests_on", |system| {
        let site = Site::prepare(system)?;
        let done = site.ground.ends(site.setup(&["--proxy", "nginx", "--yes"]), DONE)?;
        ensure(!done.contains("Caddy"), || done.clone())?;
        let _portal = site.start()?;
        let port = free_port()?;
        let mut nginx = site.nginx(&done, "/etc/ssl/account", port)?;
        nginx.wait_until(|| accepts(port))?;
        let page = page_behind_proxy(port)?;
        ensure(page.contains("content-security-policy") && page.contains("</html>"), || page)?;

        // Beside mailcow its nginx is another, and has other certificates.
        let mailcow = site.ground.folder.join("mailcow");
        attempt("make", &mailcow, fs::create_dir_all(&mailcow))?;
        let conf = "MAILCOW_HOSTNAME=mail.setup.example\nIPV4_NETWORK=172.22.9\nHTTPS_PORT=8443\n";
        attempt("write", &mailcow, fs::write(mailcow.join("mailcow.conf"), conf))?;
        let folder = mailcow.display().to_string();
        let tried = site.ground.ends(site.setup(&["--mailcow", &folder, "--dry-run"]), DONE)?;
        for part in ["data/conf/nginx/keydove-portal.conf", "listen 8443 ssl", "ADDITIONAL_SAN"] {
            ensure(tried.contains(part), || format!("no `{part}` in {tried}"))?;
        }
        site.nginx(&tried, "/etc/ssl/mail/cert", free_port()?).map(drop)
    }),
    ("caddy_takes_what_setup_prints_for_it_and_passes_requests_on", |system| {
        let site = Site::prepare(system)?;
        let done = site.ground.ends(site.setup(&["--proxy", "caddy", "--yes"]), DONE)?;
        ensure(!done.contains("For nginx"), || done.clone())?;
        let _portal = site.start()?;
        let port = free_port()?;
        let mut caddy = site.caddy(&done, port)?;
        // Caddy listens before it has made its certificate.
        caddy.wait_until(|| page_behind_proxy(port).is_ok())?;
        let page = page_behind_proxy(port)?;
        ensure(page.contains("content-security-policy") && page.contains("</html>"), || page)
    }),
    ("a_client_of_the_portal_that_was_found_gets_back_what_it_had", |system| {
        let site = Site::prepare(system)?;
        let ground = &site.ground;
        ground.admin.make_client(&json!({
            "clientId": "keydove-portal", "publicClient": false, "redirectUris": ["https://old.example/*"],
            "directAccessGrantsEnabled": true, "attributes": { "backchannel.logout.url": "https://old.example/out" },
        }))?;
        let (files, realm) = (ground.files()?, ground.realm()?);
        let done = ground.ends(site.setup(&["--yes"]), DONE)?;
        ensure(done.matches(": good").count() == 3, || done)?;
        ground.ends(site.again(&["--portal", "--undo", "--yes"]), DONE)?;
        same_as_before(ground, &files, &realm)
    }),
    ("setup_says_what_keeps_a_portal_away_and_changes_nothing", |system| {
        let site = Site::prepare(system)?;
        let ground = &site.ground;
        let (files, realm) = (ground.files()?, ground.realm()?);
        let fails = |command: Command, code: i32, said: &str| {
            let text = ground.ends(command, code)?;
            ensure(text.contains(said), || format!("no `{said}` in {text}"))?;
            same_as_before(ground, &files, &realm)
        };
        let with_path = |path: &str| {
            let mut command = site.setup(&["--yes"]);
            command.env("PATH", path);
            command
        };
        fails(site.again(&["--portal", "--yes"]), MISUSED, "give --public-url, --mail-host")?;
        for (url, said) in [
            ("http://account.setup.example", "without TLS"),
            ("https://account.setup.example/portal", "a name of its own"),
            ("account.setup.example", "this is no address"),
        ] {
            fails(
                site.again(&["--portal", "--yes", "--public-url", url, "--mail-host", "m.example"]),
                UNUSABLE,
                said,
            )?;
        }
        fails(with_path("/nonexistent"), UNUSABLE, "install the package keydove-portal first")?;
        let other = site.program("other", "echo keydove-portal 0.0.1")?;
        fails(with_path(&other.display().to_string()), UNUSABLE, "in one version only")?;
        let nobody = site.setup(&["--administrator", "nobody@setup.example", "--yes"]);
        fails(nobody, UNUSABLE, "nobody in the realm")?;

        let config = ground.folder.join("etc/keydove.toml");
        let own = attempt("read", &config, fs::read_to_string(&config))?;
        let elsewhere = own.replace("\nrealm = \"", "\nrealm = \"Not ");
        attempt("write", &config, fs::write(&config, elsewhere))?;
        let text = ground.ends(site.setup(&["--yes"]), UNUSABLE)?;
        ensure(text.contains("Keycloak has no realm `Not "), || text)?;
        attempt("write", &config, fs::write(&config, own))?;
        same_as_before(ground, &files, &realm)?;

        // A file that an administrator wrote stays.
        let file = ground.folder.join("etc/portal/keydove-portal.toml");
        attempt("make", &file, fs::create_dir_all(file.parent().unwrap_or(Path::new("/"))))?;
        let text = "[portal]\npublic_url = \"https://other.setup.example\"\n[mail.imap]\nhost = \"m.example\"\nport = 993\n";
        attempt("write", &file, fs::write(&file, text))?;
        let text = ground.ends(site.setup(&["--yes"]), UNUSABLE)?;
        ensure(text.contains("is there already, and its portal.public_url"), || text)
    }),
];

/// A machine on which keydove is set up, and the portal's program is installed.
struct Site {
    ground: Ground,
    port: u16,
}

impl Site {
    fn prepare(system: &System) -> Result<Self> {
        let ground = Ground::prepare(system, Release::V2_3)?;
        ground.admin.update(ALICE.user, |user| {
            user["credentials"] = json!([{ "type": "password", "value": PASSWORD, "temporary": false }]);
        })?;
        ground.ends(ground.setup(&["--dovecot", "none", "--postfix", "none", "--yes"]), DONE)?;
        let site = Self { ground, port: free_port()? };
        let own = attempt("find", Path::new("this program"), std::env::current_exe())?;
        site.program("bin", &format!("exec {} {AS_PORTAL} \"$@\"", own.display()))?;
        Ok(site)
    }

    /// Makes a program `keydove-portal` in a folder of this name, and returns the folder.
    fn program(&self, folder: &str, line: &str) -> Result<PathBuf> {
        let folder = self.ground.folder.join(folder);
        attempt("make", &folder, fs::create_dir_all(&folder))?;
        let draft = folder.join("draft");
        attempt("write", &draft, fs::write(&draft, format!("#!/bin/sh\n{line}\n")))?;
        attempt("change mode of", &draft, fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)))?;
        copy_program(&draft, &folder.join("keydove-portal"))?;
        Ok(folder)
    }

    fn file(&self) -> PathBuf {
        self.ground.folder.join("etc/portal/keydove-portal.toml")
    }

    fn address(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// The command, with nobody at a terminal.
    fn again(&self, more: &[&str]) -> Command {
        let mut command = self.ground.command();
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.ground.folder.join("bin").display()));
        command.stdin(Stdio::null()).args(more);
        if !more.contains(&"--undo") {
            command.args(self.ground.start_and_stop());
            command.arg("--portal-config").arg(self.file());
        }
        command
    }

    fn setup(&self, more: &[&str]) -> Command {
        let mut command = self.again(&["--portal"]);
        command.args(["--public-url", &self.address(), "--mail-host", "mail.setup.example"]);
        command.args(["--portal-listen", &format!("127.0.0.1:{}", self.port)]).args(more);
        command
    }

    fn start(&self) -> Result<Portal> {
        Portal::of(self.ground.stage(), this_program()?, self.file(), (self.address(), self.port))
    }

    /// Starts Caddy with the site that setup printed; certificates are its own, and nothing of it is outside the folder.
    fn caddy(&self, told: &str, port: u16) -> Result<Program> {
        let (_, rest) = told.split_once("/etc/caddy/Caddyfile:").ok_or_else(|| Failure(told.to_owned()))?;
        let end = rest.find("\n}\n").map_or(0, |end| end + 3);
        let (site, folder) = (&rest[..end], self.ground.stage().folder("caddy")?);
        ensure(site.contains("reverse_proxy"), || told.to_owned())?;
        let whole = format!(
            "{{\n\tadmin off\n\tauto_https disable_redirects\n\tlocal_certs\n\tskip_install_trust\n\thttp_port {}\n\thttps_port {port}\n\t\
             default_bind 127.0.0.1\n\tstorage file_system {}\n}}\n{site}",
            free_port()?,
            folder.display()
        );
        let file = self.ground.stage().write("caddy/Caddyfile", &whole)?;
        let caddy = |word: &str| {
            let mut command = Command::new("/usr/bin/caddy");
            command
                .arg(word)
                .arg("--config")
                .arg(&file)
                .args(["--adapter", "caddyfile"])
                .env("HOME", &folder);
            command
        };
        run(&mut caddy("validate"))?;
        Program::start(self.ground.stage(), "caddy", caddy("run"), Group::Own)
    }

    /// Starts nginx with the site that setup printed, but for its certificate and its port.
    fn nginx(&self, told: &str, certificate: &str, port: u16) -> Result<Program> {
        let start = told.find("server {").ok_or_else(|| Failure(format!("no site in {told}")))?;
        let length = told[start..].find("\n}\n").map_or(0, |end| end + 2);
        let site = &told[start..start + length];
        ensure(site.contains(certificate), || site.to_owned())?;
        let folder = self.ground.stage().folder("nginx")?;
        let mut openssl = Command::new("openssl");
        openssl.args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ]);
        openssl.args(["-subj", "/CN=localhost", "-keyout"]).arg(folder.join("key.pem"));
        run(openssl.arg("-out").arg(folder.join("cert.pem")))?;
        let lines = site.lines().filter(|line| !line.contains("listen [::]"));
        let own = lines.map(|line| match line.trim().split(' ').next() {
            Some("listen") => format!("listen 127.0.0.1:{port} ssl;\n"),
            Some("ssl_certificate") => format!("ssl_certificate {};\n", folder.join("cert.pem").display()),
            Some("ssl_certificate_key") => {
                format!("ssl_certificate_key {};\n", folder.join("key.pem").display())
            }
            _ => format!("{line}\n"),
        });
        let whole = format!(
            "daemon off;\npid {0}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n  access_log off;\n  client_body_temp_path {0};\n  \
             proxy_temp_path {0};\n  fastcgi_temp_path {0};\n  uwsgi_temp_path {0};\n  scgi_temp_path {0};\n{1}}}\n",
            folder.display(),
            own.collect::<String>()
        );
        let file = self.ground.stage().write("nginx/nginx.conf", &whole)?;
        // As it was printed, but for the files that are not here.
        run(Command::new("/usr/sbin/nginx").arg("-t").arg("-c").arg(&file))?;
        let mut command = Command::new("/usr/sbin/nginx");
        command.arg("-c").arg(&file);
        Program::start(self.ground.stage(), "nginx", command, Group::Own)
    }
}

/// The portal's first page with its headers, asked for at the proxy on this port by somebody who claims to be another.
fn page_behind_proxy(port: u16) -> Result<String> {
    let mut curl = Command::new("curl");
    curl.args(["-ski", "-H", "X-Forwarded-For: 192.0.2.66"]).arg(format!("https://localhost:{port}/"));
    run(&mut curl)
}
