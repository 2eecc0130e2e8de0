//! A tree and options to manifests: plain YAML, Kustomize, Helm, order, sandbox
