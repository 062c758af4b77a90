//! A disk of a unit: a file system of its own in memory, so that it can be full without filling another's.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

const FILLER: &str = ".filler";

#[derive(Debug)]
pub(crate) struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// A disk of so many bytes, in an empty folder that is made for it.
    pub(crate) fn mount(folder: PathBuf, size: u64) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let options = format!("size={size},mode=0700");
        mount(
            Some("testlab"),
            &folder,
            Some("tmpfs"),
            MsFlags::MS_NODEV | MsFlags::MS_NOSUID,
            Some(&*options),
        )
        .with_context(|| format!("mounting {}", folder.display()))?;
        Ok(Self { folder })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Leaves no byte free.
    pub(crate) fn fill(&self) -> anyhow::Result<()> {
        let mut filler = File::options().create(true).append(true).open(self.folder.join(FILLER))?;
        match std::io::copy(&mut std::io::repeat(0), &mut filler) {
            Err(fault) if fault.kind() == ErrorKind::StorageFull => Ok(()),
            Err(fault) => Err(fault.into()),
            Ok(_) => bail!("{} can not be filled", self.folder.display()),
        }
    }

    /// Takes away what filled it.
    pub(crate) fn free(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.folder.join(FILLER))?)
    }

    /// Lets nobody write to it, or lets them again.
    pub(crate) fn set_read_only(&self, is_read_only: bool) -> anyhow::Result<()> {
        let flags = if is_read_only { MsFlags::MS_RDONLY } else { MsFlags::empty() };
        let flags = flags | MsFlags::MS_REMOUNT | MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
        mount(None::<&str>, &self.folder, None::<&str>, flags, None::<&str>)
            .with_context(|| format!("{} (a file open for writing keeps it so)", self.folder.display()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = umount2(&self.folder, MntFlags::MNT_DETACH);
    }
}
