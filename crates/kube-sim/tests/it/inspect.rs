//! What only looks: discovery, tables, explanations, permissions.

use expect_test::expect;

use crate::kubectl::Kubectl;

const DEFINITION: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.example.com}
spec:
  group: example.com
  names: {plural: gadgets, singular: gadget, kind: Gadget, shortNames: [gd], categories: [all]}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {size: {type: integer}, color: {type: string}}}
    subresources: {status: {}}
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size}
    - {name: Color, type: string, jsonPath: .spec.color, priority: 1}
"#;

#[tokio::test]
async fn the_server_says_what_it_has() {
    let kubectl = Kubectl::start().await;
    let url = kubectl.url();
    let info = kubectl.run("cluster-info").await;
    assert!(info.contains("control plane") && info.contains(&url), "{info}");
    let version = kubectl.run("version").await;
    assert!(version.contains("Server Version: v1.36"), "{version}");
    let versions = kubectl.run("api-versions").await;
    for version in ["apps/v1", "autoscaling/v2", "autoscaling/v1", "v1"] {
        assert!(versions.lines().any(|line| line == version), "{version}: {versions}");
    }
    expect![[r#"
        NAME  SHORTNAMES  APIVERSION  NAMESPACED  KIND
        controllerrevisions  apps/v1  true  ControllerRevision
        daemonsets  ds  apps/v1  true  DaemonSet
        deployments  deploy  apps/v1  true  Deployment
        replicasets  rs  apps/v1  true  ReplicaSet
        statefulsets  sts  apps/v1  true  StatefulSet
    "#]]
    .assert_eq(&kubectl.table("api-resources --api-group=apps").await);
    expect![[r#"
        NAME  STATUS  AGE
        default  Active  AGE
        kube-node-lease  Active  AGE
        kube-public  Active  AGE
        kube-system  Active  AGE
        play  Active  AGE
    "#]]
    .assert_eq(&kubectl.table("get namespaces").await);
    let explained = kubectl.run("explain deployment.spec.replicas").await;
    assert!(explained.contains("FIELD: replicas <integer>"), "{explained}");
    let unknown = kubectl.fail("get nonsense").await;
    assert_eq!(unknown, "error: the server doesn't have a resource type \"nonsense\"\n");
    let absent = kubectl.fail("get configmap absent").await;
    assert_eq!(absent, "Error from server (NotFound): configmaps \"absent\" not found\n");
    kubectl.stop().await;
}

#[tokio::test]
async fn custom_resources_are_resources() {
    let kubectl = Kubectl::start().await;
    kubectl.write("crd.yaml", DEFINITION);
    kubectl.run("apply -f crd.yaml").await;
    kubectl.run("wait --for=condition=Established crd/gadgets.example.com --timeout=20s").await;
    kubectl.write(
        "gadget.yaml",
        "{apiVersion: example.com/v1, kind: Gadget, metadata: {name: g}, spec: {size: 3, color: red}}",
    );
    assert_eq!(kubectl.run("apply -f gadget.yaml").await, "gadget.example.com/g created\n");
    expect![[r#"
        NAME  SIZE  COLOR
        g  3  red
    "#]]
    .assert_eq(&kubectl.table("get gd -o wide").await);
    let explained = kubectl.run("explain gadget.spec").await;
    assert!(explained.contains("size\t<integer>"), "{explained}");
    let refused = kubectl.fail("patch gadget g --type=merge -p {\"spec\":{\"size\":\"x\"}}").await;
    assert!(refused.contains("must be of type integer"), "{refused}");
    let strategic = kubectl.fail("patch gadget g -p {\"spec\":{\"size\":4}}").await;
    assert!(strategic.contains("strategic"), "{strategic}");
    kubectl.run("patch gadget g --type=merge -p {\"spec\":{\"size\":4}}").await;
    assert_eq!(kubectl.run("get gadget g -o jsonpath={.spec.size}").await, "4");
    kubectl.stop().await;
}

#[tokio::test]
async fn roles_decide_what_a_service_account_may() {
    let kubectl = Kubectl::start().await;
    kubectl.run("create serviceaccount bot").await;
    kubectl.run("create role reader --verb=get,list --resource=pods").await;
    kubectl.run("create rolebinding rb --role=reader --serviceaccount=play:bot").await;
    let bot = "--as=system:serviceaccount:play:bot";
    assert_eq!(kubectl.run(&format!("auth can-i list pods {bot}")).await, "yes\n");
    assert_eq!(kubectl.fail(&format!("auth can-i delete pods {bot}")).await, "no\n");
    let rules = kubectl.table(&format!("auth can-i --list {bot}")).await;
    assert!(rules.contains("pods  []  []  [get list]"), "{rules}");
    expect![[r#"
        Error from server (Forbidden): secrets is forbidden: User "system:serviceaccount:play:bot" cannot list resource "secrets" in API group "" in the namespace "play"
    "#]]
    .assert_eq(&kubectl.fail(&format!("get secrets {bot}")).await);
    expect![[r#"
        ATTRIBUTE  VALUE
        Username  kubernetes-admin
        Groups  [system:masters system:authenticated]
    "#]]
    .assert_eq(&kubectl.table("auth whoami").await);
    // A token of the account is a key to the same door.
    let token = kubectl.run("create token bot").await;
    let kubeconfig = kubectl.run("config view --raw --minify").await;
    let theirs = kubeconfig.lines().map(|line| match line.trim_start().starts_with("token:") {
        true => format!("    token: {token}\n"),
        false => format!("{line}\n"),
    });
    kubectl.write("bot.config", &theirs.collect::<String>());
    assert_eq!(kubectl.run("--kubeconfig bot.config get pods -o name").await, "");
    let refused = kubectl.fail("--kubeconfig bot.config get nodes").await;
    assert!(refused.contains("at the cluster scope"), "{refused}");
    kubectl.stop().await;
}
