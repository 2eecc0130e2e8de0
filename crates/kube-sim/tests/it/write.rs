//! What changes objects: apply in both ways, conflicts, edit, patches, labels.

use expect_test::expect;

use crate::kubectl::Kubectl;

const SETTINGS: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, labels: {a: b}}
data: {color: red, size: '1'}
";

#[tokio::test]
async fn server_side_apply_meets_other_managers() {
    let kubectl = Kubectl::start().await;
    kubectl.write("cm.yaml", SETTINGS);
    kubectl.write("blue.yaml", &SETTINGS.replace("red", "blue"));
    let applied = "configmap/settings serverside-applied\n";
    assert_eq!(kubectl.run("apply --server-side -f cm.yaml").await, applied);
    assert_eq!(kubectl.run("apply --server-side -f cm.yaml").await, applied);
    let other = "apply --server-side -f blue.yaml --field-manager=other";
    let conflict = kubectl.fail(other).await;
    let first = "error: Apply failed with 1 conflict: conflict with \"kubectl\": .data.color\n";
    assert!(conflict.starts_with(first), "{conflict}");
    assert_eq!(kubectl.run(&format!("{other} --force-conflicts")).await, applied);
    let managers = "get cm settings --show-managed-fields -o \
                    jsonpath={range~.metadata.managedFields[*]}{.manager}/{.operation}{\"\\n\"}{end}";
    assert_eq!(kubectl.run(managers).await, "kubectl/Apply\nother/Apply\n");
    kubectl.stop().await;
}

#[tokio::test]
async fn client_side_apply_edit_and_diff() {
    let kubectl = Kubectl::start().await;
    kubectl.write("cm.yaml", SETTINGS);
    assert_eq!(kubectl.run("apply -f cm.yaml").await, "configmap/settings created\n");
    assert_eq!(kubectl.run("apply -f cm.yaml").await, "configmap/settings unchanged\n");
    kubectl.write("blue.yaml", &SETTINGS.replace("red", "blue"));
    let (code, diff) = kubectl.finish("diff -f blue.yaml").await;
    assert_eq!(code, 1, "{diff}");
    assert!(diff.contains("-  color: red\n+  color: blue\n"), "{diff}");
    assert_eq!(kubectl.run("apply -f blue.yaml").await, "configmap/settings configured\n");

    kubectl.write("editor", "#!/bin/sh\nsed -i 's/color: blue/color: green/' \"$1\"\n");
    let editor = kubectl.folder().join("editor");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(editor, mode).unwrap();
    assert_eq!(kubectl.run("edit cm settings").await, "configmap/settings edited\n");
    let data = kubectl.run("get cm settings -o jsonpath={.data}").await;
    assert_eq!(data, "{\"color\":\"green\",\"size\":\"1\"}");
    assert_eq!(
        kubectl.run("delete -f cm.yaml").await,
        "configmap \"settings\" deleted from play namespace\n"
    );
    assert_eq!(kubectl.run("delete cm settings --ignore-not-found").await, "");
    kubectl.stop().await;
}

#[tokio::test]
async fn unknown_fields_are_named() {
    let kubectl = Kubectl::start().await;
    kubectl.write("bad.yaml", &SETTINGS.replace("\ndata:", "\ndato: {x: y}\ndata:"));
    expect![[r#"
        Error from server (BadRequest): error when creating "bad.yaml": ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "dato"
    "#]]
    .assert_eq(&kubectl.fail("create -f bad.yaml --validate=strict").await);
    let warned = kubectl.run("create -f bad.yaml --validate=warn --dry-run=server").await;
    assert!(warned.contains("Warning: unknown field \"dato\""), "{warned}");
    kubectl.fail("get cm settings").await;
    kubectl.stop().await;
}

#[tokio::test]
async fn imperative_commands_send_protobuf_and_are_understood() {
    let kubectl = Kubectl::start().await;
    for (command, said) in [
        ("create configmap c --from-literal=a=b", "configmap/c created\n"),
        ("create secret generic s --from-literal=a=b", "secret/s created\n"),
        ("create deployment d --image=nginx:1 --replicas=2", "deployment.apps/d created\n"),
        ("create job j --image=busybox -- true", "job.batch/j created\n"),
        (
            "create cronjob n --image=busybox --schedule=0~3~*~*~* -- true",
            "cronjob.batch/n created\n",
        ),
        ("create quota q --hard=pods=9", "resourcequota/q created\n"),
        ("create ingress i --rule=a.example/=web:80", "ingress.networking.k8s.io/i created\n"),
        (
            "create pdb p --selector=app=d --min-available=1",
            "poddisruptionbudget.policy/p created\n",
        ),
        ("run one --image=nginx --restart=Never", "pod/one created\n"),
        ("expose deploy d --port=80", "service/d exposed\n"),
        (
            "autoscale deploy d --max=3 --cpu=50%",
            "horizontalpodautoscaler.autoscaling/d autoscaled\n",
        ),
    ] {
        assert_eq!(kubectl.run(command).await, said);
    }
    assert_eq!(kubectl.run("get secret s -o jsonpath={.data}").await, "{\"a\":\"Yg==\"}");
    assert_eq!(kubectl.run("get deploy d -o jsonpath={.spec.replicas}").await, "2");
    assert_eq!(kubectl.run("get pdb p -o jsonpath={.spec.minAvailable}").await, "1");
    assert_eq!(kubectl.run("get quota q -o jsonpath={.spec.hard.pods}").await, "9");
    let exists = kubectl.fail("create configmap c").await;
    assert!(exists.contains("configmaps \"c\" already exists"), "{exists}");
    kubectl.stop().await;
}

#[tokio::test]
async fn labels_annotations_and_the_three_patches() {
    let kubectl = Kubectl::start().await;
    kubectl.run("create deployment web --image=nginx:1").await;
    kubectl.run("label deploy web tier=front").await;
    let refused = kubectl.fail("label deploy web tier=back").await;
    assert!(refused.contains("'tier' already has a value (front)"), "{refused}");
    kubectl.run("label deploy web tier=back --overwrite").await;
    assert_eq!(kubectl.run("get deploy -l tier=back -o name").await, "deployment.apps/web\n");
    kubectl.run("annotate deploy web note=hello").await;
    for patch in [
        "-p {\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"nginx\",\"image\":\"nginx:2\"}]}}}}",
        "--type=merge -p {\"spec\":{\"replicas\":3}}",
        "--type=json -p [{\"op\":\"replace\",\"path\":\"/metadata/annotations/note\",\"value\":\"bye\"}]",
    ] {
        let said = kubectl.run(&format!("patch deploy web {patch}")).await;
        assert_eq!(said, "deployment.apps/web patched\n");
    }
    let shown = "get deploy web -o jsonpath={.spec.template.spec.containers[0].image}/\
                 {.spec.replicas}/{.metadata.annotations.note}";
    assert_eq!(kubectl.run(shown).await, "nginx:2/3/bye");
    kubectl.stop().await;
}
