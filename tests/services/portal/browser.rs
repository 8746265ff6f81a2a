//! Debian's Chromium, driven by `WebDriver`: a person at a screen.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fantoccini::elements::Element;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::{Method, Url};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use super::super::stage::process::{Group, Program};
use super::super::stage::{Failure, PATIENCE, Result, Stage, attempt, free_port, source_tree};

/// Where screenshots go.
const SHOTS: &str = "target/portal";
/// What `tests/setup` has fetched.
const AXE: &str = ".stage/download/axe-4.14.1.min.js";

/// A browser with an empty profile.
pub struct Browser {
    runtime: Runtime,
    client: Option<Client>,
    _driver: Program,
}

/// Whether an element is gone with its page: the driver says the one, or the browser below it the other.
fn was_replaced(failure: &str) -> bool {
    ["stale element", "does not belong to the document"].iter().any(|words| failure.contains(words))
}

/// Whether pages may run scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scripts {
    On,
    Off,
}

impl Browser {
    /// Starts one with a profile folder of this name.
    pub fn start(stage: &Arc<Stage>, name: &'static str, scripts: Scripts) -> Result<Self> {
        let port = free_port()?;
        let mut command = Command::new("/usr/bin/chromedriver");
        command.arg(format!("--port={port}")).arg("--allowed-ips=127.0.0.1");
        let mut driver = Program::start(stage, name, command, Group::Own)?;
        driver.wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        let runtime =
            attempt("start", Path::new("a reactor"), Builder::new_current_thread().enable_all().build())?;
        let profile = stage.folder(&format!("{name}-profile"))?;
        let client = runtime.block_on(async {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            builder.capabilities(capabilities(&profile, scripts));
            builder.connect(&format!("http://127.0.0.1:{port}")).await
        });
        let client = client.map_err(|error| Failure(format!("start a browser: {error}")))?;
        Ok(Self { runtime, client: Some(client), _driver: driver })
    }

    fn run<T>(
        &self,
        what: &str,
        act: impl AsyncFnOnce(&Client) -> std::result::Result<T, fantoccini::error::CmdError>,
    ) -> Result<T> {
        let client = self.client.as_ref().ok_or_else(|| Failure("the browser is closed".to_owned()))?;
        self.runtime.block_on(act(client)).map_err(|error| {
            let page = self.runtime.block_on(client.source()).unwrap_or_default();
            let at =
                self.runtime.block_on(client.current_url()).map(|url| url.to_string()).unwrap_or_default();
            Failure(format!("{what} at {at}: {error}\n{page}"))
        })
    }

    /// The same, and once more for as long as a page comes in whose place another was: what was found on the old one is
    /// gone.
    fn run_on_what_stays<T>(
        &self,
        what: &str,
        act: impl AsyncFn(&Client) -> std::result::Result<T, fantoccini::error::CmdError>,
    ) -> Result<T> {
        let since = Instant::now();
        loop {
            match self.run(what, &act) {
                Err(Failure(failure)) if was_replaced(&failure) && since.elapsed() < PATIENCE => {}
                end => return end,
            }
        }
    }

    /// Goes to an address and waits for what it leads to.
    pub fn open(&self, address: &str) -> Result<()> {
        self.run("open", async |client| client.goto(address).await)
    }

    /// Where it is.
    pub fn address(&self) -> Result<String> {
        self.run("ask", async |client| client.current_url().await.map(|url| url.to_string()))
    }

    /// What is on the page, as people read it.
    pub fn text(&self) -> Result<String> {
        self.run_on_what_stays("read", async |client| client.find(Locator::Css("body")).await?.text().await)
    }

    /// What is in the first element of this kind, once there is one.
    pub fn text_of(&self, css: &str) -> Result<String> {
        self.run_on_what_stays(&format!("read {css}"), async |client| wait(client, css).await?.text().await)
    }

    /// Whether there is such an element now.
    pub fn has(&self, css: &str) -> Result<bool> {
        self.run("look", async |client| Ok(!client.find_all(Locator::Css(css)).await?.is_empty()))
    }

    /// Writes into a field.
    pub fn fill(&self, css: &str, text: &str) -> Result<()> {
        self.run_on_what_stays(&format!("fill {css}"), async |client| {
            let field = wait(client, css).await?;
            field.clear().await?;
            field.send_keys(text).await
        })
    }

    /// Clicks, and waits for the page that follows. An element that is gone with its page was not clicked.
    pub fn click(&self, css: &str) -> Result<()> {
        self.run_on_what_stays(&format!("click {css}"), async |client| wait(client, css).await?.click().await)
    }

    /// Waits until the address contains this.
    pub fn wait_for_address(&self, part: &str) -> Result<()> {
        super::super::eventually(|| {
            let address = self.address()?;
            let complaint = || {
                format!("the browser is at {address}, not at {part}:\n{}", self.text().unwrap_or_default())
            };
            super::super::ensure(address.contains(part), complaint)
        })
    }

    /// Its cookies for the page that it is at, as it sends them.
    pub fn cookies(&self) -> Result<String> {
        let all = self.run("read cookies", async |client| client.get_all_cookies().await)?;
        let pairs = all.iter().map(|cookie| format!("{}={}", cookie.name(), cookie.value()));
        Ok(pairs.collect::<Vec<_>>().join("; "))
    }

    /// Runs a script of the test's own.
    pub fn script(&self, script: &str) -> Result<Value> {
        self.run("run a script", async |client| client.execute(script, Vec::new()).await)
    }

    /// Says which rules of accessibility the page breaks (axe-core: WCAG 2.2, A and AA).
    pub fn accessibility_faults(&self) -> Result<Vec<String>> {
        let path = source_tree().join(AXE);
        let axe = attempt("read (run tests/setup)", &path, fs::read_to_string(&path))?;
        self.script(&axe)?;
        let run = "const done = arguments[arguments.length - 1]; \
                   axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})\
                   .then(found => done(found.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' | '))));";
        let found = self.run("check", async |client| client.execute_async(run, Vec::new()).await)?;
        let list = found.as_array().cloned().unwrap_or_default();
        Ok(list.iter().map(|fault| fault.as_str().unwrap_or_default().to_owned()).collect())
    }

    /// What the browser complains of: policies that were violated, scripts that failed.
    pub fn complaints(&self) -> Result<Vec<String>> {
        let log = self.run("read the log", async |client| client.issue_cmd(Extra::Log).await)?;
        let lines = log.as_array().into_iter().flatten();
        Ok(lines.map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect())
    }

    /// Makes the window so wide, and the room light or dark.
    pub fn show(&self, width: u32, scheme: &str) -> Result<()> {
        let metrics = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600});
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.run("resize", async |client| {
            client.issue_cmd(Extra::Cdp("Emulation.setDeviceMetricsOverride", metrics)).await?;
            client.issue_cmd(Extra::Cdp("Emulation.setEmulatedMedia", media)).await
        })
        .map(drop)
    }

    /// Keeps a picture of the page.
    pub fn shoot(&self, name: &str) -> Result<()> {
        let folder = source_tree().join(SHOTS);
        attempt("create", &folder, fs::create_dir_all(&folder))?;
        let picture = self.run("look", async |client| client.screenshot().await)?;
        let path: PathBuf = folder.join(format!("{name}.png"));
        attempt("write", &path, fs::write(&path, picture))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            // The driver ends what is left.
            let _ = self.runtime.block_on(client.close());
        }
    }
}

async fn wait(client: &Client, css: &str) -> std::result::Result<Element, fantoccini::error::CmdError> {
    client.wait().at_most(PATIENCE).every(Duration::from_millis(50)).for_element(Locator::Css(css)).await
}

fn capabilities(profile: &Path, scripts: Scripts) -> Capabilities {
    let mut arguments = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--disable-dev-shm-usage",
        "--lang=en",
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.push(format!("--user-data-dir={}", profile.display()));
    let mut preferences = json!({"intl.accept_languages": "en"});
    if scripts == Scripts::Off {
        preferences["profile.managed_default_content_settings.javascript"] = json!(2);
    }
    let options = json!({"binary": "/usr/bin/chromium", "args": arguments, "prefs": preferences});
    let all = json!({
        "goog:chromeOptions": options,
        "goog:loggingPrefs": {"browser": "ALL"},
        "timeouts": {"script": 120_000, "pageLoad": 180_000},
    });
    all.as_object().cloned().unwrap_or_default()
}

/// Commands of Chromium's driver beside those of `WebDriver`.
#[derive(Debug)]
enum Extra {
    Log,
    Cdp(&'static str, Value),
}

impl WebDriverCompatibleCommand for Extra {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> std::result::Result<Url, <Url as FromStr>::Err> {
        let session = session.unwrap_or_default();
        base.join(&match self {
            Self::Log => format!("session/{session}/se/log"),
            Self::Cdp(..) => format!("session/{session}/goog/cdp/execute"),
        })
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        let body = match self {
            Self::Log => json!({"type": "browser"}),
            Self::Cdp(command, parameters) => json!({"cmd": command, "params": parameters}),
        };
        (Method::POST, Some(body.to_string()))
    }
}
