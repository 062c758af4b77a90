//! Follows the lab folder as it changes: what can be used is taken up, what can not is said.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lab::{Checked, Folder, Stamp};
use tokio::signal::unix::Signal;

use super::notice::Notice;
use super::{BEAT, First, Node, errors_of};
use crate::event::Event;
use crate::node::folder;
use crate::permit::Request;

/// How long a changed folder has to stay as it is.
const SETTLE: Duration = Duration::from_millis(500);

/// What was last read of the lab folder.
pub(super) struct Follower {
    node: Arc<Node>,
    /// The last reading that was judged; none if the folder could not be read.
    read: Option<Folder>,
    /// Its stamp, taken before it was read for the last time: what changed since then is seen.
    stamp: Option<Stamp>,
}

/// How the folder is.
enum Reading {
    Still(Arc<Checked>, Stamp),
    /// It is being written.
    Changing,
    Unreadable(lab::OpenError),
}

impl Follower {
    pub(super) fn of(node: Arc<Node>) -> Self {
        Self { node, read: None, stamp: None }
    }

    /// Takes up the first lab, and every usable change after it. This never ends.
    pub(super) async fn follow(&mut self, first: First, hang_up: &mut Signal) {
        self.read = first.read;
        self.node.refuse(first.refused);
        let is_of_the_folder = first.trouble.is_none();
        match first.trouble {
            None => self.take_up(&first.checked).await,
            Some(trouble) => self.take_up_kept(&first.checked, &trouble).await,
        }
        let lab = folder::fingerprint(&first.checked.folder);
        self.node.context.record.add(Event::Adopted { lab, is_first: true });
        let _ = self.node.context.helper.ask(&Request::Ready).await;
        if is_of_the_folder {
            self.keep(&first.checked).await;
        }
        let (mut notice, mut is_watched) = (Notice::default(), false);
        loop {
            if !is_watched {
                notice.watch(self.read.as_ref());
            }
            let (asked, noticed) = tokio::select! {
                () = tokio::time::sleep(BEAT) => (false, false),
                () = notice.changed() => (false, true),
                heard = hang_up.recv() => (heard.is_some(), false),
            };
            // What has changed may be a path that leads elsewhere now.
            is_watched = self.look(asked).await && !noticed;
        }
    }

    /// Looks whether the folder has changed; with `asked`, whether or not it seems so. Says whether it seemed to be the same.
    async fn look(&mut self, asked: bool) -> bool {
        let is_same = |read: &Folder| self.stamp.as_ref().is_some_and(|stamp| read.stamp() == *stamp);
        if !asked && self.read.as_ref().is_some_and(is_same) {
            return true;
        }
        let (checked, stamp) = match self.reading().await {
            Reading::Still(checked, stamp) => (checked, stamp),
            Reading::Changing => return false,
            Reading::Unreadable(error) => {
                self.read = None;
                self.node.refuse(None);
                let help = "put it back; what ran before runs on until then";
                self.node.context.conditions.raise("lab", format!("it can not be read: {error}"), help);
                return false;
            }
        };
        let is_news = self.read.as_ref().is_none_or(|read| !checked.folder.same_text(read));
        self.stamp = Some(stamp);
        if asked || is_news {
            self.change(&checked).await;
        }
        self.read = Some(checked.folder.clone());
        false
    }

    /// The folder, once two readings are the same.
    async fn reading(&self) -> Reading {
        let first = self.read_once().await;
        let stamp = first.as_ref().and_then(|first| Some(first.as_ref().ok()?.folder.stamp()));
        tokio::time::sleep(SETTLE).await;
        match (first, stamp, self.read_once().await) {
            (Some(Ok(first)), Some(stamp), Some(Ok(second))) if second.folder.same_text(&first.folder) => {
                Reading::Still(Arc::new(second), stamp)
            }
            (Some(Err(_)), _, Some(Err(error))) => Reading::Unreadable(error),
            _ => Reading::Changing,
        }
    }

    /// Reads and checks the folder beside the loop that answers; none if that failed, and is to be tried again.
    async fn read_once(&self) -> Option<Result<Checked, lab::OpenError>> {
        let worker = self.node.worker.clone();
        tokio::task::spawn_blocking(move || (worker.check)(&worker, &worker.lab)).await.ok()
    }

    async fn change(&self, checked: &Arc<Checked>) {
        let (worker, conditions) = (&self.node.worker, &self.node.context.conditions);
        let (tell, text) = (worker.tell, (worker.show)(worker, checked));
        // Nobody has to read it.
        drop(tokio::task::spawn_blocking(move || tell(&text)));
        let Some(lab) = checked.usable_for(worker.tables) else {
            self.node.refuse(Some(Arc::clone(checked)));
            let what = format!("the changed lab is not taken up: {}", errors_of(checked));
            let help = "`polis check` shows all of it; what ran before runs on until it is mended";
            conditions.raise("lab", what, help);
            return;
        };
        if !lab.machines.contains(self.node.machine.as_str()) {
            self.node.refuse(Some(Arc::clone(checked)));
            let what = format!("the changed lab is not taken up: it has no machine `{}`", self.node.machine);
            let help = "put it back, or end Polis here: `systemctl disable --now polis`";
            conditions.raise("lab", what, help);
            return;
        }
        // What is permitted follows from the folder; the helper reads it itself.
        let _ = self.node.context.helper.ask(&Request::Adopt).await;
        let before = self.node.fingerprint();
        self.take_up(checked).await;
        self.keep(checked).await;
        let lab = folder::fingerprint(&checked.folder);
        if lab != before || self.read.as_ref().is_some_and(|read| !read.same_text(&checked.folder)) {
            self.node.context.record.add(Event::Adopted { lab, is_first: false });
        }
    }

    /// Makes what follows from the lab folder run here.
    async fn take_up(&self, checked: &Arc<Checked>) {
        let (worker, context) = (&self.node.worker, &self.node.context);
        context.folder.set(lab_folder(&worker.lab));
        self.node.adopt(checked).await;
        self.node.refuse(None);
        context.conditions.clear("lab");
    }

    /// Keeps a copy of the lab folder, for a start with a faulty one.
    async fn keep(&self, checked: &Checked) {
        let (worker, context) = (&self.node.worker, &self.node.context);
        if worker.demo.is_some() {
            return;
        }
        let (lab, kept) = (worker.lab.clone(), context.state.last_good());
        let fingerprint = folder::fingerprint(&checked.folder);
        let keeping = tokio::task::spawn_blocking(move || folder::keep(&lab, &kept, &fingerprint)).await;
        let error = match keeping {
            Ok(kept) => kept.err().map(|error| error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        let trouble = error.map(|error| {
            let help = "look at the disk and at who may write to the state folder".to_owned();
            (format!("no copy of the lab can be kept: {error}"), help)
        });
        context.conditions.set("lab copy", trouble);
    }

    /// Makes what follows from the last good copy run here.
    async fn take_up_kept(&self, checked: &Arc<Checked>, trouble: &str) {
        let context = &self.node.context;
        context.folder.set(folder::kept(&context.state.last_good()).unwrap_or_default());
        self.node.adopt(checked).await;
        let help = "mend the lab folder: `polis check` shows what is wrong; it is taken up by itself";
        let what = format!("the lab folder can not be used, the last good copy is: {trouble}");
        context.conditions.raise("lab", what, help);
    }
}

/// The folder that files of a lab are in.
fn lab_folder(lab: &Path) -> PathBuf {
    if lab.is_dir() { lab.to_owned() } else { lab.parent().map(Path::to_owned).unwrap_or_default() }
}
