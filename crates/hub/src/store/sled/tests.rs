//! What only the disk can do: kills, damage, a full disk, a second process.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;

use super::super::conformance::{key, open_sled, put};
use super::super::export;
use super::*;

fn open(dir: &Path) -> Result<(SledStore, SweepReport), StoreError> {
    SledStore::open(dir, &SledOptions::default())
}

fn quarantine() -> SledOptions {
    SledOptions { on_damage: OnDamage::Quarantine, ..SledOptions::default() }
}

/// A store with `count` records of a kilobyte, closed.
async fn filled(count: usize) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open_sled(dir.path());
    for chunk in (0..count).collect::<Vec<_>>().chunks(50) {
        let tx = chunk.iter().fold(Transaction::new(), |tx, n| {
            tx.write(put(&format!("record/{n:04}"), &format!("{n:04}").repeat(256)))
        });
        store.transact(tx).await.unwrap();
    }
    dir
}

#[test]
fn a_second_opener_is_told_who_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path()).unwrap();
    let Err(error) = open(dir.path()) else { panic!("opened twice") };
    let text = error.to_string();
    assert!(text.contains(&format!("in use by process {}", std::process::id())), "{text}");
    drop(first);
    open(dir.path()).unwrap();
}

#[tokio::test]
async fn a_leftover_of_an_interrupted_open_is_removed() {
    let dir = filled(10).await;
    let leftover = dir.path().join("sled/snap.FFFFFFFFFFFFFFFF.generating");
    fs::write(&leftover, b"half").unwrap();
    let (store, report) = open(dir.path()).unwrap();
    assert_eq!(report.records, 10);
    assert!(!leftover.exists());
    drop(store);
}

#[tokio::test]
async fn what_lies_under_the_wrong_key_or_is_damaged_is_found_at_the_start() {
    let dir = filled(20).await;
    let db = ::sled::open(dir.path().join("sled")).unwrap();
    let third = db.get("record/0003").unwrap().unwrap();
    db.insert("record/0004", third).unwrap();
    let mut fifth = db.get("record/0005").unwrap().unwrap().to_vec();
    fifth[100] ^= 1;
    db.insert("record/0005", fifth).unwrap();
    db.flush().unwrap();
    drop(db);

    let Err(error) = open(dir.path()) else { panic!("opened a damaged store") };
    let text = error.to_string();
    assert!(text.contains("is corrupt and nothing in it was changed"), "{text}");
    assert!(text.contains("record/0004: it belongs to another key"), "{text}");
    assert!(text.contains("record/0005: its checksum does not match"), "{text}");

    let (store, report) = SledStore::open(dir.path(), &quarantine()).unwrap();
    assert_eq!((report.records, report.damaged.len()), (18, 2));
    assert!(fs::metadata(report.quarantine.unwrap()).unwrap().len() > 2_000);
    assert_eq!(store.get(&key("record/0004")).unwrap(), None);
    drop(store);
    let (_store, report) = open(dir.path()).unwrap();
    assert!(report.is_clean() && report.records == 18, "{report}");
}

#[tokio::test]
async fn a_row_that_vanished_is_missed() {
    let dir = filled(20).await;
    let db = ::sled::open(dir.path().join("sled")).unwrap();
    db.remove("record/0007").unwrap();
    db.flush().unwrap();
    drop(db);
    let Err(error) = open(dir.path()) else { panic!("opened a store with a row missing") };
    let text = error.to_string();
    assert!(text.contains("19 good records where its account has 20"), "{text}");
    let (store, report) = SledStore::open(dir.path(), &quarantine()).unwrap();
    assert_eq!(report.expected, Some(20));
    drop(store);
    assert!(open(dir.path()).unwrap().1.is_clean());
}

/// One damaged byte, a lost page or a cut: the start is clean or refused, and a read is right or an
/// error. Nothing that is wrong is ever given out.
#[test]
fn damage_on_the_disk_is_never_served() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let original = runtime.block_on(filled(400));
    let file = original.path().join("sled/db");
    let good = fs::read(&file).unwrap();
    let check = |damage: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        damage(&mut bytes);
        fs::write(&file, bytes).unwrap();
        let Ok((store, report)) = open(original.path()) else { return };
        assert_eq!(report.records, 400);
        for record in store.range(&Prefix::all()).unwrap() {
            let n = record.key.name();
            assert_eq!(record.body, n.repeat(256).as_bytes(), "{}", record.key);
        }
    };
    // A snapshot may be rewritten by an open, so each case begins with the same ones.
    let snapshots: Vec<_> = files(original.path()).collect();
    let restore = || {
        files(original.path()).for_each(|(path, _)| fs::remove_file(path).unwrap());
        snapshots.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    };
    let length = good.len();
    for case in 0..24 {
        let at = (case * 7_919 * 4_099 + 13) % length;
        match case % 3 {
            0 => check(&|bytes| bytes[at] ^= 0x40),
            1 => check(&|bytes| {
                let end = (at + 4_096).min(length);
                bytes[at..end].fill(0);
            }),
            _ => check(&|bytes| bytes.truncate(at)),
        }
        restore();
    }
}

/// The files of the database, with their content.
fn files(dir: &Path) -> impl Iterator<Item = (PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(dir.join("sled")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file()).map(|path| {
        let content = fs::read(&path).unwrap();
        (path, content)
    })
}

#[tokio::test]
async fn a_blob_that_was_damaged_is_an_error_and_can_be_put_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_sled(dir.path());
    let digest = store.put_blob(b"content").unwrap();
    let name = digest.to_string();
    let path = dir.path().join("blobs").join(&name[..2]).join(&name);
    let mut file = fs::File::options().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(3)).unwrap();
    file.write_all(b"!").unwrap();
    assert!(matches!(store.blob(&digest), Err(StoreError::Damaged { .. })));
    store.put_blob(b"content").unwrap();
    assert_eq!(store.blob(&digest).unwrap().as_deref(), Some(&b"content"[..]));
}

#[tokio::test]
async fn an_export_that_was_changed_restores_nothing() {
    let dir = filled(30).await;
    let mut good = Vec::new();
    export::export(&*open_sled(dir.path()), &mut good).unwrap();
    for at in [0, 20, 40, good.len() / 2, good.len() - 40, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        let target = tempfile::tempdir().unwrap();
        restore(target.path(), &*bad).unwrap_err();
        restore(target.path(), &good[..at]).unwrap_err();
        assert!(!target.path().join("sled").exists());
        // A restore that failed is no obstacle to the next.
        restore(target.path(), &*good).unwrap();
    }
    good.push(0);
    assert!(export::verify(&*good).unwrap_err().to_string().contains("follows its digest"));
}

const CHILD: &str = "MUSTER_TEST_STORE_CHILD";

/// This test binary again, running `test` with the store in `dir`.
fn child(test: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([&format!("store::sled::tests::{test}"), "--exact", "--nocapture"]);
    command.env(CHILD, dir).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

fn child_dir() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// In a child: writes for ever and names each transaction that was acknowledged.
#[tokio::test]
async fn writing_child() {
    let Some(dir) = child_dir() else { return };
    println!("\nopening");
    let store = open_sled(&dir);
    let read = |name: &str| {
        let record = store.get(&key(name)).unwrap();
        record
            .map_or(0, |record| std::str::from_utf8(&record.body).unwrap().parse::<u64>().unwrap())
    };
    let lane = async |lane: usize| {
        let names = ["a", "b", "c"].map(|part| format!("{part}/{lane}"));
        let mut n = read(&names[0]);
        loop {
            n += 1;
            let body = n.to_string();
            let tx = names.iter().fold(Transaction::new(), |tx, name| tx.write(put(name, &body)));
            let tx = tx.write(put(&format!("history/{lane}/{n:08}"), &"x".repeat(200)));
            store.transact(tx).await.unwrap();
            println!("\nacked {lane} {n}");
        }
    };
    futures::future::join_all((0..4).map(lane)).await;
}

struct Acks {
    newest: [u64; 4],
    total: u64,
}

impl Acks {
    fn read(&mut self, child: &mut Child, count: u64) {
        let output = BufReader::new(child.stdout.as_mut().unwrap());
        let target = self.total + count;
        for line in output.lines() {
            self.note(&line.unwrap());
            if self.total >= target {
                return;
            }
        }
    }

    /// What was acknowledged before the kill and is still in the pipe counts too.
    fn drain(&mut self, child: &mut Child) {
        let mut rest = String::new();
        child.stdout.as_mut().unwrap().read_to_string(&mut rest).unwrap();
        // The last line may be cut off.
        let whole = rest.rfind('\n').map_or("", |end| &rest[..end]);
        whole.lines().for_each(|line| self.note(line));
    }

    fn note(&mut self, line: &str) {
        let Some(ack) = line.strip_prefix("acked ") else { return };
        let (lane, n) = ack.split_once(' ').unwrap();
        let (lane, n) = (lane.parse::<usize>().unwrap(), n.parse().unwrap());
        self.newest[lane] = self.newest[lane].max(n);
        self.total += 1;
    }
}

fn kill(mut child: Child, acks: &mut Acks) {
    child.kill().unwrap();
    child.wait().unwrap();
    acks.drain(&mut child);
}

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    let mut acks = Acks { newest: [0; 4], total: 0 };
    for round in 0..30_u64 {
        let mut writing = child("writing_child", dir.path()).spawn().unwrap();
        if round % 3 == 0 {
            // While it opens: the delay is the fault, not a wait for something.
            let mut output = BufReader::new(writing.stdout.as_mut().unwrap());
            let mut line = String::new();
            while !line.contains("opening") {
                assert_ne!(output.read_line(&mut line).unwrap(), 0, "the child said nothing");
            }
            std::thread::sleep(Duration::from_micros(round * 700));
        } else {
            acks.read(&mut writing, 1 + round * 5);
        }
        kill(writing, &mut acks);
        if round % 3 == 0 {
            continue;
        }
        let store = open_sled(dir.path());
        for (lane, newest) in acks.newest.iter().enumerate() {
            let read = |part: &str| {
                let record = store.get(&key(&format!("{part}/{lane}"))).unwrap();
                record.map_or(0, |r| std::str::from_utf8(&r.body).unwrap().parse::<u64>().unwrap())
            };
            let [a, b, c] = ["a", "b", "c"].map(read);
            assert!(a >= *newest, "round {round}: {newest} was acknowledged, {a} is there");
            assert!(a == b && b == c, "round {round}: a torn transaction: {a} {b} {c}");
            let history = store.range(&Prefix::new(["history", &lane.to_string()])).unwrap();
            assert_eq!(u64::try_from(history.len()).unwrap(), a, "round {round}");
        }
    }
    assert!(acks.total > 500, "only {} transactions were acknowledged", acks.total);
}

/// In a child whose files may not grow beyond a few megabytes: fills the store.
#[tokio::test]
async fn filling_child() {
    let Some(dir) = child_dir() else { return };
    let (store, _) = open(&dir).unwrap_or_else(|error| panic!("{}", runtime::error::chain(&error)));
    let mut n = 0;
    let error = loop {
        let tx = Transaction::new().write(put(&format!("fill/{n:05}"), &"x".repeat(8_000)));
        match store.transact(tx).await {
            Ok(_) => n += 1,
            Err(error) => break error,
        }
        assert!(n < 10_000, "the file may grow without a limit");
    };
    assert!(matches!(error, StoreError::WriteFailed { .. }), "{error}");
    assert!(error.to_string().contains("is read-only now"), "{error}");
    let again = Transaction::new().write(put("small", "x"));
    let again = store.transact(again).await.unwrap_err();
    assert!(matches!(again, StoreError::ReadOnly { .. }), "{again}");
    assert!(store.state().read_only.is_some());
    // Reads go on, except in a page that sled was about to split; what failed is never shown.
    let mut unreadable = 0;
    for index in 0..=n {
        match store.get(&key(&format!("fill/{index:05}"))) {
            Ok(found) => assert_eq!(found.is_some(), index < n, "{index} of {n}"),
            Err(error) => {
                assert!(matches!(error, StoreError::Io { .. }), "{error}");
                unreadable += 1;
            }
        }
    }
    assert!(unreadable * 4 < n, "{unreadable} of {n} cannot be read");
    println!("\nfilled {n}");
}

#[test]
fn a_full_disk_makes_it_read_only_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    drop(open_sled(dir.path()));
    let filling = child("filling_child", dir.path());
    // The shell limits the size of a file, and turns the signal that would kill into an error.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 6000; exec \"$0\" \"$@\""]);
    limited.arg(filling.get_program()).args(filling.get_args());
    limited.env(CHILD, dir.path()).stderr(Stdio::piped()).process_group(0);
    let output = limited.output().unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    let filled = out.lines().find_map(|line| line.strip_prefix("filled ")).unwrap();
    let filled: usize = filled.parse().unwrap();
    assert!(filled > 50, "only {filled}");
    let store = open_sled(dir.path());
    let found = store.range(&Prefix::new(["fill"])).unwrap().len();
    assert!(found == filled || found == filled + 1, "{found} of {filled}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    /// While a group is being written, readers see all of a transaction or nothing.
    #[test]
    fn readers_never_see_half_a_transaction(lanes in 1_usize..5) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let store = open_sled(dir.path());
        runtime.block_on(async {
            let write = async |lane: usize| {
                for n in 0..25 {
                    let body = format!("{lane}-{n}");
                    let tx = Transaction::new().write(put("x/1", &body)).write(put("x/2", &body));
                    store.transact(tx).await.unwrap();
                    let both = store.range(&Prefix::new(["x"])).unwrap();
                    assert_eq!(both[0].body, both[1].body);
                    assert_eq!(both[0].revision, both[1].revision);
                }
            };
            futures::future::join_all((0..lanes).map(write)).await;
        });
    }
}
