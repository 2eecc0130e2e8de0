//! The target `handlebars` as a program for libFuzzer; what it does is in `fuzz::handlebars`.
#![cfg_attr(feature = "search", no_main)]

#[cfg(feature = "search")]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::handlebars(data));

/// Without libFuzzer: each file that is named, once.
#[cfg(not(feature = "search"))]
fn main() -> std::io::Result<()> {
    fuzz::replay(fuzz::handlebars)
}
