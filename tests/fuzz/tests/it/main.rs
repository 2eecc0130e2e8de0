//! Every input that is kept is taken once more: seeds of the search, and what it found.

use std::path::Path;
use std::{fs, io};

#[test]
fn what_is_kept_breaks_nothing() -> io::Result<()> {
    let mut taken = 0;
    for (name, target) in fuzz::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        for file in fs::read_dir(folder)? {
            target(&fs::read(file?.path())?);
            taken += 1;
        }
    }
    assert!(taken >= 40, "only {taken} inputs are kept");
    Ok(())
}
