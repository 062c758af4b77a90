//! The databases of a machine: `ground.db`, which must not be lost, and `record.db`, what happened.
//!
//! Whatever is wrong with a database (read-only, full, damaged, of a newer Polis) is an answer to who asked, and
//! a standing [`Store::trouble`]; it is opened again with every use. Nothing here ever removes a database.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

/// The migrations of `ground.db`; the number of the last one is the version of the database.
const GROUND: &[&str] = &[include_str!("../sql/ground-001.sql")];
/// The migrations of `record.db`.
pub(crate) const RECORD: &[&str] = &[include_str!("../sql/record-001.sql")];

/// Why something could not be kept or looked up.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// The database is of a newer version.
    #[error("`{}` is of version {found}, this Polis knows {known}", .path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: usize,
        /// The newest that is known here.
        known: usize,
    },
    /// The database said no.
    #[error("can not {doing} in `{}`: {source}", .path.display())]
    Database {
        /// What was to be done.
        doing: &'static str,
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A file could not be written or read.
    #[error("can not {doing} `{}`: {source}", .path.display())]
    File {
        /// What was to be done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl StoreFault {
    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Newer { .. } => {
                "run the newer Polis again, or put back the copy that was made before its migration"
                    .to_owned()
            }
            Self::Database { source, path, .. } => match source.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => "the disk is full: make room, it goes on by itself".to_owned(),
                Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => format!(
                    "`{}` has to be there and writable for who runs Polis; it goes on by itself",
                    path.parent().unwrap_or(path).display()
                ),
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    "it is damaged: put back a copy, or move it away to begin anew".to_owned()
                }
                _ => "it is tried again by itself; look at the disk if it stays".to_owned(),
            },
            Self::File { .. } => "look at the disk and at who may write there".to_owned(),
        }
    }
}

/// `ground.db` of a machine, opened when it is first needed.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    connection: Mutex<Option<Connection>>,
    trouble: Mutex<Option<(String, String)>>,
}

impl Store {
    /// The store in a state folder.
    pub fn in_folder(state: &Path) -> Self {
        let path = state.join("ground.db");
        Self(Arc::new(Inner { path, connection: Mutex::new(None), trouble: Mutex::new(None) }))
    }

    /// Does something with `ground.db`. When this returns `Ok`, it is on disk. It waits for the disk: call it where
    /// waiting is allowed.
    ///
    /// # Errors
    /// If the database can not be opened, or says no.
    pub fn with<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreFault> {
        let mut slot = self.0.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let done = open_into(&mut slot, &self.0.path, GROUND).and_then(|connection| {
            work(connection).map_err(|source| StoreFault::Database {
                doing,
                path: self.0.path.clone(),
                source,
            })
        });
        let mut trouble = self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match &done {
            Ok(_) => *trouble = None,
            Err(fault) if is_of_the_request(fault) => {}
            Err(fault) => {
                *trouble = Some((fault.to_string(), fault.help()));
                *slot = None;
            }
        }
        done
    }

    /// Writes something that changes nothing: whether things can be kept again. It waits for the disk.
    ///
    /// # Errors
    /// If they can not.
    pub fn probe(&self) -> Result<(), StoreFault> {
        self.with("write", |connection| {
            let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            connection.execute_batch(&format!("PRAGMA user_version = {version}"))
        })
    }

    /// What stands in the way of keeping things, and what to do: from the last time that something was to be kept.
    pub fn trouble(&self) -> Option<(String, String)> {
        self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether the database is well and only this request was refused.
fn is_of_the_request(fault: &StoreFault) -> bool {
    let StoreFault::Database { source, .. } = fault else { return false };
    matches!(source, rusqlite::Error::QueryReturnedNoRows)
        || source.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
}

pub(crate) fn open_into<'s>(
    slot: &'s mut Option<Connection>,
    path: &Path,
    migrations: &[&str],
) -> Result<&'s mut Connection, StoreFault> {
    if slot.is_none() {
        *slot = Some(open(path, migrations)?);
    }
    // It has just been filled.
    slot.as_mut().ok_or_else(|| StoreFault::Database {
        doing: "open",
        path: path.to_owned(),
        source: rusqlite::Error::InvalidQuery,
    })
}

/// Opens a database and brings it to the newest version.
fn open(path: &Path, migrations: &[&str]) -> Result<Connection, StoreFault> {
    let fault = |source| StoreFault::Database { doing: "open", path: path.to_owned(), source };
    let mut connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(fault)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(fault)?;
    // A small cache: there are machines with 512 MB, and no table here is large while it is used.
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -256;")
        .map_err(fault)?;
    migrate(&mut connection, path, migrations)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection, path: &Path, migrations: &[&str]) -> Result<(), StoreFault> {
    let fault = |source| StoreFault::Database { doing: "migrate", path: path.to_owned(), source };
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fault)?;
    let found = usize::try_from(version).unwrap_or(usize::MAX);
    let known = migrations.len() + more_for_tests();
    if found > known {
        return Err(StoreFault::Newer { path: path.to_owned(), found, known });
    }
    if found == known {
        return Ok(());
    }
    if found > 0 {
        copy_aside(connection, path, found)?;
    }
    for number in found..known {
        let text = migrations.get(number).copied().unwrap_or(FOR_TESTS);
        let transaction = connection.transaction().map_err(fault)?;
        transaction.execute_batch(text).map_err(fault)?;
        transaction.execute_batch(&format!("PRAGMA user_version = {}", number + 1)).map_err(fault)?;
        transaction.commit().map_err(fault)?;
    }
    Ok(())
}

/// A copy of the database as it is, named for its version: the way back if the newer version disappoints.
fn copy_aside(connection: &Connection, path: &Path, version: usize) -> Result<(), StoreFault> {
    let copy = path.with_extension(format!("before-{}.db", version + 1));
    match std::fs::remove_file(&copy) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            return Err(StoreFault::File { doing: "replace", path: copy, source });
        }
        _ => {}
    }
    connection
        .execute("VACUUM INTO ?1", [copy.to_string_lossy()])
        .map(drop)
        .map_err(|source| StoreFault::Database { doing: "copy before a migration", path: copy, source })
}

const FOR_TESTS: &str = "CREATE TABLE from_the_future (number INTEGER PRIMARY KEY) STRICT;";

#[cfg(not(feature = "testlab"))]
fn more_for_tests() -> usize {
    0
}

/// A version of Polis that is one migration ahead, where `POLIS_TEST_NEXT` is set.
#[cfg(feature = "testlab")]
fn more_for_tests() -> usize {
    usize::from(std::env::var_os("POLIS_TEST_NEXT").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::Scratch;

    const FIRST: &str = "CREATE TABLE one (number INTEGER PRIMARY KEY) STRICT;";
    const SECOND: &str = "CREATE TABLE two (number INTEGER PRIMARY KEY) STRICT;";

    #[test]
    fn a_migration_leaves_a_copy_and_an_older_version_refuses() {
        let folder = Scratch::new();
        let path = folder.path().join("ground.db");
        let connection = open(&path, &[FIRST]).unwrap();
        connection.execute("INSERT INTO one VALUES (7)", []).unwrap();
        drop(connection);

        let connection = open(&path, &[FIRST, SECOND]).unwrap();
        connection.execute("INSERT INTO two VALUES (8)", []).unwrap();
        drop(connection);
        let fault = open(&path, &[FIRST]).unwrap_err();
        assert!(fault.to_string().ends_with("is of version 2, this Polis knows 1"), "{fault}");

        let copy = open(&folder.path().join("ground.before-2.db"), &[FIRST]).unwrap();
        let kept: i64 = copy.query_row("SELECT number FROM one", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, 7);
    }

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        let folder = Scratch::new();
        let path = folder.path().join("ground.db");
        drop(open(&path, &[FIRST]).unwrap());
        assert!(open(&path, &[FIRST, "CREATE TABLE three (x INT) STRICT; nonsense"]).is_err());
        assert!(open(&path, &[FIRST]).is_ok());
    }

    #[test]
    fn trouble_stands_until_something_is_kept_again() {
        let folder = Scratch::new();
        let store = Store::in_folder(&folder.path().join("not-there"));
        assert!(store.trouble().is_none());
        let fault = store.with("look", |_| Ok(())).unwrap_err();
        assert!(fault.help().contains("has to be there and writable"), "{}", fault.help());
        assert!(store.trouble().is_some());
        std::fs::create_dir(folder.path().join("not-there")).unwrap();
        store.with("look", |_| Ok(())).unwrap();
        assert!(store.trouble().is_none());

        std::fs::write(
            folder.path().join("ground.db"),
            "this is no database, but long enough to be looked at",
        )
        .unwrap();
        let store = Store::in_folder(folder.path());
        let fault = store.with("look", |_| Ok(())).unwrap_err();
        assert!(fault.help().contains("damaged"), "{fault}: {}", fault.help());
    }
}
