//! A set whose elements a service on loopback names.

use collect::{Allowed, Config, FolderSecrets};
use model::problem::Problem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// A plugin that answers with what it is told to; no body is a service in trouble.
struct Plugin {
    base: String,
    body: Arc<Mutex<Option<String>>>,
    tasks: Supervisor,
}

impl Plugin {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let body: Arc<Mutex<Option<String>>> = Arc::default();
        let tasks = Supervisor::new(CancellationToken::new());
        let (shown, stop) = (Arc::clone(&body), tasks.token());
        tasks.spawn("plugin", async move {
            while let Some(Ok((mut stream, _))) = stop.run_until_cancelled(listener.accept()).await
            {
                let mut asked = Vec::new();
                // The end of the request's body, which is one JSON object.
                while !asked.ends_with(b"}}") {
                    let mut buffer = [0; 4096];
                    let count = stream.read(&mut buffer).await.unwrap();
                    assert!(count > 0, "{}", String::from_utf8_lossy(&asked));
                    asked.extend_from_slice(&buffer[..count]);
                }
                let asked = String::from_utf8(asked).unwrap().to_lowercase();
                assert!(asked.contains("authorization: bearer t0ken\r\n"), "{asked}");
                let (status, text) = match shown.lock().unwrap().clone() {
                    Some(text) => ("200 OK", text),
                    None => ("502 Bad Gateway", "<html>maintenance</html>".to_owned()),
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: application/json\r\n\
                     content-length: {}\r\n\r\n{text}",
                    text.len()
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { base, body, tasks }
    }

    fn names(&self, range: std::ops::Range<usize>) {
        let parameters: Vec<_> = range.map(|n| format!("{{\"shop\": \"s{n}\"}}")).collect();
        let parameters = parameters.join(", ");
        *self.body.lock().unwrap() =
            Some(format!("{{\"output\": {{\"parameters\": [{parameters}]}}}}"));
    }

    fn breaks(&self) {
        *self.body.lock().unwrap() = None;
    }

    /// A collector that may ask it, and remembers nothing as fresh.
    fn collector(&self, folder: &Path) -> Collector {
        for (path, text) in [
            ("configmaps/shops/baseUrl", self.base.as_str()),
            ("configmaps/shops/token", "$shops:token"),
            ("secrets/shops/token", "t0ken\n"),
        ] {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let allowed = vec![self.base.parse::<Allowed>().unwrap()];
        let mut config = Config { allowed, allow_loopback: true, ..Config::default() };
        config.timing.fresh_for = Duration::ZERO;
        config.timing.failed_for = Duration::ZERO;
        Collector::new(config, Arc::new(FolderSecrets::new(folder)), Clock::system()).unwrap()
    }
}

/// A set in each dialect.
fn documents(url: &str) -> String {
    let spec = |server: &str, name: &str, dialect: &str| {
        format!(
            "kind: ApplicationSet\n\
             metadata: {{name: {dialect}}}\n\
             spec:\n\
             \x20 generators: [{{plugin: {{configMapRef: {{name: shops}}}}}}]\n\
             \x20 template:\n\
             \x20   metadata: {{name: '{dialect}-{name}'}}\n\
             \x20   spec:\n\
             \x20     project: default\n\
             \x20     source: {{repoURL: '{url}', targetRevision: main, path: .}}\n\
             \x20     destination: {{{server}: lab}}\n"
        )
    };
    let (native, argo) = (spec("cluster", "{{shop}}", "ours"), spec("name", "{{shop}}", "argo"));
    format!(
        "apiVersion: muster.dev/v1alpha1\n{native}---\napiVersion: argoproj.io/v1alpha1\n{argo}"
    )
}

fn all(range: std::ops::Range<usize>) -> String {
    let mut names: Vec<_> =
        range.flat_map(|n| [format!("argo-s{n}"), format!("ours-s{n}")]).collect();
    names.sort();
    names.join(" ")
}

fn told(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_service_that_breaks_takes_nothing_away_and_one_that_lists_less_meets_the_budget() {
    let plugin = Plugin::start().await;
    let mut world = World::new();
    world.collector = plugin.collector(&world.folder.path().join("services"));
    world.joined.label("lab", &[]);
    world.apps.commit(&TWO_APPS);
    world.fleet.commit(&[("sets.yaml", documents(&world.apps.url()).as_str())]);
    let hub = world.start("mirrors", 1).await;
    // Nothing is known yet.
    let refreshed = hub.handle.refresh().await.unwrap();
    assert_eq!(hub.wants("lab"), "");
    let problems = told(&refreshed.problems);
    assert!(problems.contains("ours, ") && problems.contains("argo, "), "{problems}");
    assert_eq!(problems.matches("502").count(), 2, "{problems}");
    assert!(!problems.contains("t0ken") && !problems.contains("--collect"), "{problems}");

    plugin.names(0..12);
    assert_eq!(hub.handle.refresh().await.unwrap().problems, []);
    assert_eq!(hub.wants("lab"), all(0..12));

    plugin.breaks();
    let problems = told(&hub.handle.refresh().await.unwrap().problems);
    assert_eq!(problems.matches("502").count(), 2, "{problems}");
    assert_eq!(hub.wants("lab"), all(0..12));
    // Neither does a restart that finds it so.
    hub.stop().await;
    world.collector = plugin.collector(&world.folder.path().join("services"));
    let hub = world.start("mirrors", 2).await;
    hub.handle.refresh().await.unwrap();
    assert_eq!(hub.wants("lab"), all(0..12));

    plugin.names(0..11);
    assert_eq!(hub.handle.refresh().await.unwrap().problems, []);
    assert_eq!(hub.wants("lab"), format!("{} -argo-s11 -ours-s11", all(0..11)));

    plugin.names(0..0);
    hub.handle.refresh().await.unwrap();
    assert!(hub.wants("lab").starts_with(&all(0..11)), "{}", hub.wants("lab"));
    assert!(hub.parked("ours").is_some() && hub.parked("argo").is_some());
    hub.stop().await;
    assert_eq!(plugin.tasks.join(Duration::from_secs(30)).await, Vec::<String>::new());
}
