//! Child processes that end with the test, however the test ends.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::{Failure, PATIENCE, Result, Stage, attempt};

/// How long a program may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(60);
/// How long the processes that a program has started may outlive it.
const GRACE_OF_CHILDREN: Duration = Duration::from_secs(10);
/// Between two looks at something awaited.
const STEP: Duration = Duration::from_millis(20);
/// How many lines of a program's log an error shows.
const TAIL: usize = 25;

/// Ends the children of a test process that was killed, and removes its folder.
///
/// It reads the children's ids from a pipe. The kernel closes that pipe when the test process ends, in whatever way.
/// (A parent-death signal would not do: it is sent when the *thread* that started the child ends, and a server that
/// changes its user loses it.)
const GUARD: &str = r#"
trap '' HUP INT TERM
pids=
while read -r sign pid; do
    case $sign in
    +) pids="$pids $pid" ;;
    -) left=; for p in $pids; do [ "$p" = "$pid" ] || left="$left $p"; done; pids=$left ;;
    done) exit 0 ;;
    esac
done
for p in $pids; do kill -TERM "$p"; done 2>/dev/null
for try in 1 2 3 4 5 6 7 8 9 10; do
    sleep 1
    left=; for p in $pids; do kill -0 "$p" && left="$left $p"; done 2>/dev/null
    pids=$left
    [ -n "$pids" ] || break
done
for p in $pids; do kill -KILL "$p"; done 2>/dev/null
[ -z "$1" ] || rm -rf "$1"
"#;

/// The process that outlives this one by a moment.
pub(super) struct Guard(Child);

impl Guard {
    /// Starts it. It removes `folder` after it had to end children.
    pub(super) fn start(folder: Option<&PathBuf>) -> Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", GUARD, "guard"]).arg(folder.map_or(Path::new(""), PathBuf::as_path));
        // A process group of its own: Ctrl-C at the terminal must not reach it.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        attempt("start", Path::new("/bin/sh"), command.spawn()).map(Self)
    }

    fn note(&mut self, sign: &str, pid: u32) {
        if let Some(pipe) = &mut self.0.stdin {
            // A guard that is gone cannot be told anything, and drop() still ends the children.
            let _ = writeln!(pipe, "{sign} {pid}");
        }
    }

    /// Lets it go: all children have ended.
    pub(super) fn dismiss(&mut self) {
        self.note("done", 0);
        let _ = self.0.wait();
    }
}

/// Copies a program that is to be run.
///
/// Another process writes the copy. This one must never have it open for writing: a program that another thread starts
/// at this moment inherits what is open until it executes, and Linux runs no file that somebody can still write
/// (`ETXTBSY`).
pub fn copy_program(from: &Path, to: &Path) -> Result<()> {
    let status = attempt("start", Path::new("cp"), Command::new("cp").arg("--").arg(from).arg(to).status())?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure(format!("copy {} to {}: {status}", from.display(), to.display())))
    }
}

/// How a program takes the signals of the terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// In a process group of its own: Ctrl-C at the terminal ends the test, and the test ends the program.
    Own,
    /// The program makes its own session, and fails when it leads a group already.
    LeftToProgram,
}

/// A running program with its log. Ended on drop.
pub struct Program {
    name: &'static str,
    child: Child,
    log: PathBuf,
    stage: Arc<Stage>,
}

impl Program {
    /// Starts a command whose output goes to `log/<name>.log`; starting again appends there.
    pub fn start(stage: &Arc<Stage>, name: &'static str, mut command: Command, group: Group) -> Result<Self> {
        let log = stage.path(&format!("log/{name}.log"));
        let file = attempt("open", &log, OpenOptions::new().create(true).append(true).open(&log))?;
        let copy = attempt("open", &log, File::try_clone(&file))?;
        command.stdin(Stdio::null()).stdout(file).stderr(copy);
        if group == Group::Own {
            command.process_group(0);
        }
        let program = Path::new(command.get_program()).to_owned();
        let child = attempt("start", &program, command.spawn())?;
        let program = Self { name, child, log, stage: Arc::clone(stage) };
        program.note("+");
        Ok(program)
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` says yes, the program ends, or [`PATIENCE`] does.
    pub fn wait_until(&mut self, mut ready: impl FnMut() -> bool) -> Result<()> {
        let start = Instant::now();
        while !ready() {
            let ended = attempt("wait for", Path::new(self.name), self.child.try_wait())?;
            let why = match ended {
                Some(status) => format!("it ended ({status})"),
                None if start.elapsed() > PATIENCE => {
                    format!("it was not ready after {} s", PATIENCE.as_secs())
                }
                None => {
                    sleep(STEP);
                    continue;
                }
            };
            return Err(Failure(format!(
                "start {}: {why}; its log ends with\n{}",
                self.name,
                self.log_tail()
            )));
        }
        Ok(())
    }

    /// Sends a signal to the program's first process.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.id()).map_err(|error| Failure(error.to_string()))?;
        kill(Pid::from_raw(id), signal).map_err(|error| Failure(format!("signal {}: {error}", self.name)))
    }

    /// Asks the program to end, waits, and insists after a while. Says how long it took.
    ///
    /// What it has started ends with it: Dovecot's login processes would still accept at its ports.
    pub fn stop(&mut self) -> Result<Duration> {
        let start = Instant::now();
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            self.note("-");
            return Ok(Duration::ZERO);
        }
        self.signal(Signal::SIGTERM)?;
        while matches!(self.child.try_wait(), Ok(None)) {
            if start.elapsed() > GRACE {
                let _ = self.child.kill();
                let _ = self.child.wait();
                self.note("-");
                return Err(Failure(format!("stop {}: it did not end after SIGTERM", self.name)));
            }
            sleep(STEP);
        }
        self.note("-");
        let took = start.elapsed();
        self.end_children();
        Ok(took)
    }

    /// Waits until the program's process group is empty, and insists after a while.
    fn end_children(&self) {
        let start = Instant::now();
        while is_there(self.id()) {
            if start.elapsed() > GRACE_OF_CHILDREN {
                let _ = i32::try_from(self.id()).map(|id| killpg(Pid::from_raw(id), Signal::SIGKILL));
            }
            sleep(STEP);
        }
    }

    /// Ends the program without asking it, and waits until it is gone.
    pub fn kill(&mut self) -> Result<()> {
        attempt("kill", Path::new(self.name), self.child.kill().and_then(|()| self.child.wait()))?;
        self.note("-");
        Ok(())
    }

    /// Whether the program has ended, and with exit code 0.
    pub fn ended_well(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(status)) if status.success())
    }

    /// Whether one of its threads runs, waits for a processor or for a disk.
    pub fn is_busy(&self) -> bool {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.id())).into_iter().flatten().flatten();
        let state = |task: fs::DirEntry| {
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            // proc(5): the state follows the name, which is in brackets.
            stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next())
        };
        tasks.filter_map(state).any(|state| matches!(state, 'R' | 'D'))
    }

    /// The file with all that it has written.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Everything the program has logged.
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }

    fn note(&self, sign: &str) {
        if let Ok(mut guard) = self.stage.guard.lock() {
            guard.note(sign, self.id());
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("{error}");
        }
    }
}

/// Whether a process of this group runs. One that has ended and that nobody has waited for does not.
fn is_there(group: u32) -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(|process| fs::read_to_string(process.path().join("stat")).ok()).any(|stat| {
        // proc(5): state, parent and group follow the name, which is in brackets.
        let mut fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
        let (state, of) = (fields.next(), fields.nth(1));
        state.is_some_and(|state| !matches!(state, "Z" | "X")) && of.is_some_and(|of| of.parse() == Ok(group))
    })
}

/// Runs a command to its end; an error shows what it printed.
pub fn run(command: &mut Command) -> Result<String> {
    let program = Path::new(command.get_program()).to_owned();
    let output = attempt("run", &program, command.stdin(Stdio::null()).output())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(Failure(format!("run {}: {}\n{text}{errors}", program.display(), output.status)))
}

/// Whether somebody accepts connections at a port of loopback.
pub fn accepts(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}
