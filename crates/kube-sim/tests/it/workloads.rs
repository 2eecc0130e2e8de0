//! What makes pods: rollouts, scaling, waiting, deleting in cascades, watching.

use expect_test::expect;

use crate::kubectl::Kubectl;

const WEB: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: 'nginx:1.27'}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}], clusterIP: 10.96.0.77}
";

#[tokio::test]
async fn a_rollout_goes_forward_and_back() {
    let kubectl = Kubectl::start().await;
    kubectl.write("web.yaml", WEB);
    expect![[r#"
        deployment.apps/web created
        service/web created
    "#]]
    .assert_eq(&kubectl.run("apply -f web.yaml").await);
    expect![[r#"
        deployment.apps/web condition met
    "#]]
    .assert_eq(&kubectl.run("wait --for=condition=Available deploy/web --timeout=40s").await);
    kubectl.run("rollout status deploy/web --timeout=40s").await;
    expect![[r#"
        NAME  READY  UP-TO-DATE  AVAILABLE  AGE  CONTAINERS  IMAGES  SELECTOR
        deployment.apps/web  2/2  2  2  AGE  c  nginx:1.27  app=web

        NAME  TYPE  CLUSTER-IP  EXTERNAL-IP  PORT(S)  AGE  SELECTOR
        service/web  ClusterIP  10.96.0.77  <none>  80/TCP  AGE  app=web
    "#]]
    .assert_eq(
        &kubectl.table("get deploy,service -o wide --field-selector metadata.name=web").await,
    );
    let pods =
        kubectl.run("get pods --field-selector status.phase=Running -l app=web -o name").await;
    assert_eq!(pods.lines().count(), 2, "{pods}");

    kubectl.run("set image deploy/web c=nginx:1.28").await;
    kubectl.run("rollout status deploy/web --timeout=40s").await;
    expect![[r#"
        deployment.apps/web
        REVISION  CHANGE-CAUSE
        1         <none>
        2         <none>

    "#]]
    .assert_eq(&kubectl.run("rollout history deploy/web").await.replace(" \n", "\n"));
    kubectl.run("rollout undo deploy/web").await;
    kubectl.run("rollout status deploy/web --timeout=40s").await;
    let image = "get deploy web -o jsonpath={.spec.template.spec.containers[0].image}";
    assert_eq!(kubectl.run(image).await, "nginx:1.27");
    assert_eq!(kubectl.run("rollout restart deploy/web").await, "deployment.apps/web restarted\n");
    kubectl.run("rollout status deploy/web --timeout=40s").await;

    assert_eq!(kubectl.run("scale deploy/web --replicas=3").await, "deployment.apps/web scaled\n");
    let wrong = kubectl.fail("scale deploy/web --replicas=1 --current-replicas=5").await;
    assert_eq!(wrong, "error: Expected replicas to be 5, was 3\n");
    let described = kubectl.run("describe deploy web").await;
    for part in ["Replicas:               3 desired", "NewReplicaSet:", "ScalingReplicaSet"] {
        assert!(described.contains(part), "{described}");
    }
    let events = kubectl.run("get events --field-selector involvedObject.name=web").await;
    assert!(events.contains("Scaled up replica set"), "{events}");
    kubectl.stop().await;
}

#[tokio::test]
async fn deletions_cascade_as_they_are_told() {
    let kubectl = Kubectl::start().await;
    kubectl.run("create deployment two --image=nginx:1").await;
    kubectl.run("rollout status deploy/two --timeout=40s").await;
    kubectl.run("delete deploy two --cascade=orphan").await;
    assert_eq!(kubectl.run("get rs -l app=two -o name").await.lines().count(), 1);
    kubectl.run("delete rs -l app=two --cascade=foreground").await;
    assert_eq!(kubectl.run("get pods -l app=two -o name").await, "");

    kubectl.run("run one --image=nginx --restart=Never").await;
    kubectl.run("wait --for=condition=Ready pod/one --timeout=40s").await;
    kubectl.run("delete pod one --wait=false").await;
    kubectl.run("wait --for=delete pod/one --timeout=40s").await;
    kubectl.run("create job once --image=busybox -- true").await;
    kubectl.run("wait --for=condition=complete job/once --timeout=40s").await;
    expect![[r#"
        namespace "play" deleted
    "#]]
    .assert_eq(&kubectl.run("delete namespace play --timeout=40s").await);
    kubectl.fail("get namespace play").await;
    kubectl.stop().await;
}

#[tokio::test]
async fn a_watch_prints_its_header_once() {
    let kubectl = Kubectl::start().await;
    kubectl.run("create configmap a --from-literal=k=v").await;
    kubectl.run("create configmap b").await;
    let watched = kubectl.table("get configmap -w --request-timeout=2s").await;
    assert_eq!(watched.lines().filter(|line| line.starts_with("NAME")).count(), 1, "{watched}");
    assert!(watched.contains("a  1  AGE\nb  0  AGE\n"), "{watched}");
    kubectl.stop().await;
}
