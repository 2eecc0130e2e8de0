//! Git: mirrors, fetch, trees at a commit, credentials. The only importer of gix
