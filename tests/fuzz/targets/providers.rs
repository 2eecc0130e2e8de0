//! The target `providers` as a program for libFuzzer; what it does is in `fuzz::providers`.
#![cfg_attr(feature = "search", no_main)]

#[cfg(feature = "search")]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::providers(data));

/// Without libFuzzer: each file that is named, once.
#[cfg(not(feature = "search"))]
fn main() -> std::io::Result<()> {
    fuzz::replay(fuzz::providers)
}
