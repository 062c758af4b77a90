//! The binary for arm64, as most machines of a house are Raspberry Pis: built here with a distribution's cross
//! packages, and run under emulation.

use std::path::Path;
use std::process::Command;

use anyhow::bail;

use crate::root;

const TARGET: &str = "aarch64-unknown-linux-gnu";
/// Debian's compiler, which has the standard library for both architectures.
const COMPILER: &str = "/usr/bin/rustc";
const LIBRARY: &str = "/usr/lib/rustlib/aarch64-unknown-linux-gnu";
const EMULATOR: &str = "qemu-aarch64-static";
/// Where the C library of the other architecture is.
const PREFIX: &str = "/usr/aarch64-linux-gnu";

/// Builds the binary for arm64 and lets it check the example. Says so if what that takes is not here.
pub(crate) fn run() -> anyhow::Result<()> {
    let is_there = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if !Path::new(LIBRARY).exists() || !is_there("aarch64-linux-gnu-gcc") || !is_there(EMULATOR) {
        if std::env::var_os("POLIS_STRICT").is_some() {
            bail!("{LIBRARY}, aarch64-linux-gnu-gcc or {EMULATOR} is missing");
        }
        eprintln!("arm64: not built, the cross packages are not here: see .ci/run");
        return Ok(());
    }
    let target = root().join("target/arm64");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "polis", "--target", TARGET])
        .current_dir(root())
        .env("RUSTC", COMPILER)
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc")
        .env("CC_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-gcc")
        .env("AR_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-ar")
        .status()?;
    if !status.success() {
        bail!("the build for arm64 failed");
    }
    let output = Command::new(EMULATOR)
        .args(["-L", PREFIX])
        .arg(target.join(TARGET).join("debug/polis"))
        .args(["check", "examples/aegean"])
        .current_dir(root())
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || !said.contains("aegean: no errors") {
        bail!(
            "the binary for arm64 does not check the example: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    eprintln!("arm64: built, and checks the example under emulation");
    Ok(())
}
