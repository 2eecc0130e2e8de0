//! `muster demo` as a newcomer runs it: with git and nothing else.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use expect_test::expect;
use runtime::clock::Clock;
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
use tempfile::TempDir;

use crate::tool::Ran;

/// Longer than any demo takes on a machine that compiles at the same time.
const LIMIT: Duration = Duration::from_secs(120);
/// What an interrupted demo may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A person without kubectl, helm or kustomize, whose temporary files are looked at afterwards.
struct Newcomer {
    home: TempDir,
}

impl Newcomer {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("bin")).unwrap();
        fs::create_dir(home.path().join("tmp")).unwrap();
        symlink(git(), home.path().join("bin/git")).unwrap();
        Self { home }
    }

    fn temporary(&self) -> PathBuf {
        self.home.path().join("tmp")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
        command.arg("demo").args(words).env_clear();
        command.env("PATH", self.home.path().join("bin")).env("HOME", self.home.path());
        command.env("TMPDIR", self.temporary()).current_dir(self.home.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that a process that stays behind is found.
        command.process_group(0);
        command
    }

    fn run(&self, words: &[&str]) -> Ran {
        let child = self.command(words).spawn().unwrap();
        let group = Pid::from_child(&child);
        let output = child.wait_with_output().unwrap();
        self.nothing_is_left(group);
        output.into()
    }

    /// Whether a process is in one of this person's folders; git has a group of its own.
    fn is_worked_in(&self) -> bool {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let mut folders =
            processes.filter_map(|entry| fs::read_link(entry.path().join("cwd")).ok());
        folders.any(|folder| folder.starts_with(self.temporary()))
    }

    /// No process, no file.
    #[track_caller]
    fn nothing_is_left(&self, group: Pid) {
        // Who did not wait may leave a git that is just ending.
        let clock = Clock::system();
        while test_kill_process_group(group).is_ok() || self.is_worked_in() {
            assert!(clock.now() < Duration::from_secs(5), "a process is left");
            thread::sleep(Duration::from_millis(10));
        }
        let left: Vec<_> = fs::read_dir(self.temporary()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Where git is on this machine.
fn git() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let folders = std::env::split_paths(&path);
    folders.map(|folder| folder.join("git")).find(|file| file.is_file()).unwrap()
}

/// Commits, seconds and plans differ in each run.
fn normal(text: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_end_matches(':');
        let hex = bare.len() >= 8 && bare.bytes().all(|b| b.is_ascii_hexdigit());
        let number = bare.contains('.') && bare.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        match () {
            () if hex => word.replace(bare, "HASH"),
            () if number => "N".to_owned(),
            () => word.to_owned(),
        }
    };
    let line = |line: &str| {
        let indent = line.len() - line.trim_start().len();
        let words: Vec<_> = line.split_whitespace().map(word).collect();
        format!("{}{}\n", " ".repeat(indent), words.join(" "))
    };
    // A busy machine says that it waits.
    text.lines().filter(|line| !line.contains(" s: ")).map(line).collect()
}

#[test]
fn the_story_is_told_and_nothing_is_left() {
    let ran = Newcomer::new().run(&["--once"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    let longest = ran.out.lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(80), "{}", ran.out);
    expect![[r#"
        Muster demo: from a commit to 3 simulated clusters
        The hub and the spokes run in this process: with TLS, Git and a store on disk.
        kustomize is not on PATH: the sample's Kustomize application is left out.
        helm is not on PATH: the sample's Helm application is left out.

        1 Start the hub and 3 clusters
           eu-1, eu-2 and eu-3 are connected N s

        2 A commit reaches every cluster
           commit HASH: web and queue (plain)
           6 applications Synced and Healthy N s

        3 An edit by hand is healed
           kubectl --context eu-2 -n demo-web patch deployment web \
             --field-manager night-shift -p '{"spec":{"replicas":0}}'
           muster history says: .spec.replicas was changed by night-shift
           healed; it was night-shift N s

        4 A bad image is noticed
           commit HASH: web: image tag `broken`, which nobody can pull
           spokes: Deployment.apps demo-web/web: Deployment "web" exceeded its progress
             deadline
           the release before it still serves on every cluster
           web is Degraded on 3 clusters N s

        5 git revert mends it
           commit HASH: reverts HASH
           6 applications Synced and Healthy N s

        6 A removal waits for a person
           commit HASH: removes apps/queue
           hub: 3 of 6 applications would be removed; the budget of 10% allows 1
           3 parked, all still running N s

        7 The person approves
           muster approve applicationset apps --plan HASH
           3 removed, 3 left N s

        STEP SECONDS SEEN
        1 Start the hub and 3 clusters N eu-1, eu-2 and eu-3 are connected
        2 A commit reaches every cluster N 6 applications Synced and Healthy
        3 An edit by hand is healed N healed; it was night-shift
        4 A bad image is noticed N web is Degraded on 3 clusters
        5 git revert mends it N 6 applications Synced and Healthy
        6 A removal waits for a person N 3 parked, all still running
        7 The person approves N 3 removed, 3 left
    "#]]
    .assert_eq(&normal(&ran.out));
}

#[test]
fn demos_run_beside_each_other_and_one_cluster_is_enough() {
    let (first, second) = (Newcomer::new(), Newcomer::new());
    thread::scope(|scope| {
        let first = scope.spawn(|| first.run(&["--once", "--clusters", "1"]));
        let second = scope.spawn(|| second.run(&["--once", "--clusters", "2"]));
        for ran in [first.join().unwrap(), second.join().unwrap()] {
            assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
        }
    });
}

/// Waits for a child, and kills it when it does not end.
fn code_within(limit: Duration, mut child: Child) -> Ran {
    let clock = Clock::system();
    while child.try_wait().unwrap().is_none() {
        if clock.now() > limit {
            child.kill().unwrap();
            let ran: Ran = child.wait_with_output().unwrap().into();
            panic!("the demo did not stop: {ran:?}");
        }
        thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap().into()
}

#[test]
fn an_interrupt_at_any_moment_leaves_nothing() {
    // Moments from the first millisecond to the middle of the story, by a generator with a seed.
    let mut seed: u64 = 4;
    for round in 0..8_u64 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let moment = Duration::from_millis((seed >> 33) % (250 << round));
        let signal = if round % 2 == 0 { Signal::INT } else { Signal::TERM };
        let newcomer = Newcomer::new();
        let child = newcomer.command(&["--clusters", "2"]).spawn().unwrap();
        let group = Pid::from_child(&child);
        thread::sleep(moment);
        // As a terminal does, and as an init system does.
        if round % 2 == 0 {
            kill_process_group(group, signal)
        } else {
            kill_process(group, signal)
        }
        .unwrap();
        if round % 3 == 2 {
            // Impatient; it may be gone already.
            thread::sleep(Duration::from_millis(350));
            let _gone = kill_process(group, Signal::INT);
        }
        let ran = code_within(STOP_LIMIT, child);
        // Before it listens, a signal ends it as any program: there is nothing to remove yet.
        assert!([130, 0, -1].contains(&ran.code), "after {moment:?}: {ran:?}");
        newcomer.nothing_is_left(group);
    }
}

#[test]
fn it_stays_up_until_it_is_told_to_end() {
    let newcomer = Newcomer::new();
    let port = free_port();
    let dir = newcomer.home.path().join("here");
    let log = fs::File::create(newcomer.home.path().join("out")).unwrap();
    let mut command =
        newcomer.command(&["--clusters", "1", "--dir", "here", "--port", &port.to_string()]);
    let child = command.stdout(log).spawn().unwrap();
    let group = Pid::from_child(&child);
    let said = || fs::read_to_string(newcomer.home.path().join("out")).unwrap();
    let clock = Clock::system();
    while !said().contains("until Ctrl-C") {
        assert!(clock.now() < LIMIT, "{}", said());
        thread::sleep(Duration::from_millis(20));
    }
    let muster = |words: &[&str]| -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
        command.args(words).env("MUSTER_CONTEXT", dir.join("hub/admin.yaml"));
        command.output().unwrap().into()
    };
    let web = muster(&["get", "applications", "web-eu-1", "-o", "json"]).json();
    assert_eq!((&web["sync"], &web["health"]), (&"Synced".into(), &"Healthy".into()), "{web:#}");
    let kubeconfig = fs::read_to_string(dir.join("kubeconfig")).unwrap();
    assert!(kubeconfig.contains("eu-1"), "{kubeconfig}");

    // A second hub on the same port is refused, and says so.
    let ran = newcomer.run(&["--once", "--port", &port.to_string()]);
    let error = format!("error: cannot listen on 127.0.0.1:{port}: Address already in use");
    assert!(ran.code == 1 && ran.err.starts_with(&error), "{ran:?}");
    assert!(ran.err.contains("hint: another program listens there"), "{ran:?}");

    kill_process(group, Signal::INT).unwrap();
    let ran = code_within(STOP_LIMIT, child);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(said().ends_with("Stopped; nothing is left behind.\n"), "{}", said());
    newcomer.nothing_is_left(group);
    assert!(!dir.exists());
    TcpListener::bind(("127.0.0.1", port)).unwrap();
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn write_kubeconfig(path: &Path) {
    let text = r#"{"apiVersion": "v1", "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}]}"#;
    fs::write(path, text).unwrap();
}

#[test]
fn bad_input_is_told_before_anything_starts() {
    let newcomer = Newcomer::new();
    write_kubeconfig(&newcomer.home.path().join("kubeconfig"));
    let full = newcomer.home.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("file"), "").unwrap();
    let cases: [(&[&str], i32, &str); 7] = [
        (&["--dir", "full"], 1, "full is not empty\nhint: name a folder that is empty"),
        (&["--clusters", "0"], 2, "0 is not in 1..=50"),
        (&["--clusters", "2", "--context", "prod"], 2, "cannot be used with"),
        (&["--yes"], 2, "--context"),
        (&["--context", "a", "--kubeconfig", "none"], 1, "no kubeconfig can be read"),
        (
            &["--context", "prd", "--kubeconfig", "kubeconfig"],
            1,
            "there is no context \"prd\" in the kubeconfig\nhint: did you mean prod?",
        ),
        (
            &["--context", "prod", "--kubeconfig", "kubeconfig", "--yes"],
            1,
            "cluster prod: cannot ask what you may do there",
        ),
    ];
    for (words, code, said) in cases {
        let ran = newcomer.run(words);
        assert!(ran.code == code && ran.err.contains(said), "{words:?}: {ran:?}");
    }
    fs::remove_file(newcomer.home.path().join("bin/git")).unwrap();
    let ran = newcomer.run(&[]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("needs git") && ran.err.contains("hint: install it"), "{ran:?}");
}
