//! ssh through a stand-in program that is found first in `PATH`.
//!
//! The environment of this process is shared by all tests, so the test starts itself again with
//! another `PATH`; the inner run does the work, and alone it has nothing to do.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use source::{Credentials, Limits, RepoUrl, Secret, SourceError};

use crate::fixture::{Home, Repo, read};

/// Names the folder of the inner run.
const FOLDER: &str = "MUSTER_TEST_SSH_FOLDER";

/// Notes its arguments, and runs the last one as the far side's shell would.
const STAND_IN: &str = r#"#!/bin/sh
echo "$@" >> "$MUSTER_TEST_SSH_FOLDER/calls"
case "$*" in
*" -- refused.example "*) echo "git@refused.example: Permission denied (publickey)." >&2; exit 255;;
*" -- stranger.example "*) echo "Host key verification failed." >&2; exit 255;;
*" -- down.example "*) echo "ssh: connect to host down.example port 22: refused" >&2; exit 255;;
esac
for last; do :; done
cd "$MUSTER_TEST_SSH_FOLDER" && exec sh -c "$last"
"#;

/// Notes that it was called, which nobody may do.
const TRIPWIRE: &str = "#!/bin/sh\necho \"$0 $@\" >> \"$MUSTER_TEST_SSH_FOLDER/tripped\"\n";

#[test]
fn a_repository_is_read_through_ssh() {
    let repo = Repo::new();
    let commit = repo.commit(&[("a", "1")], "first");
    let folder = repo.root.path();
    let programs = folder.join("programs");
    fs::create_dir(&programs).unwrap();
    for (name, text) in [("ssh", STAND_IN), ("touch", TRIPWIRE), ("plink", TRIPWIRE)] {
        let path = programs.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let search = std::env::var("PATH").unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ssh::inner_run", "--nocapture"])
        .env("PATH", format!("{}:{search}", programs.display()))
        .env(FOLDER, folder)
        .env("MUSTER_TEST_SSH_COMMIT", commit.to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
    assert!(!folder.join("tripped").exists());
    let calls = fs::read_to_string(folder.join("calls")).unwrap();
    for call in calls.lines() {
        assert!(call.contains("BatchMode=yes") && call.contains("StrictHostKeyChecking=yes"));
    }
    let of = |host: &str| calls.lines().find(|call| call.contains(host)).unwrap();
    assert!(of("keyed.example").contains("UserKnownHostsFile=\"/known\""), "{calls}");
    assert!(!of("git.example").contains("UserKnownHostsFile"), "{calls}");
}

#[test]
fn inner_run() {
    let (Ok(folder), Ok(commit)) = (std::env::var(FOLDER), std::env::var("MUSTER_TEST_SSH_COMMIT"))
    else {
        return;
    };
    let commit = commit.parse().unwrap();
    let mut credentials = Credentials::new();
    let key = Secret::SshKey { key_file: "/key".into(), known_hosts_file: "/known".into() };
    credentials.add("ssh://keyed.example", key).unwrap();
    let home = Home::with(credentials, Limits::default());
    for url in [
        "git@git.example:repo.git".to_owned(),
        format!("ssh://git@git.example:2222{folder}/repo.git"),
        "keyed.example:repo.git".to_owned(),
    ] {
        let url = RepoUrl::parse(&url).unwrap();
        assert_eq!(home.mirrors.resolve(&url, "main").unwrap(), commit);
        assert_eq!(read(&home.mirrors.tree(&url, commit).unwrap(), "a").unwrap(), "1");
    }
    let error =
        |url: &str| home.mirrors.resolve(&RepoUrl::parse(url).unwrap(), "main").unwrap_err();
    assert!(matches!(error("git@refused.example:r"), SourceError::Unauthorized { .. }));
    assert!(matches!(error("git@stranger.example:r"), SourceError::UnknownHost { .. }));
    assert!(matches!(error("git@down.example:r"), SourceError::Unavailable { .. }));
    assert!(matches!(error("git@git.example:none.git"), SourceError::NoRepository { .. }));
    for hostile in
        ["ssh://-oProxyCommand=touch/foo", "ext::sh -c touch", "host:-oProxyCommand=touch"]
    {
        assert!(RepoUrl::parse(hostile).is_err());
    }
}
