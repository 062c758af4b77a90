-- What must not be lost: kept with full sync, copied before a migration, part of every backup.
CREATE TABLE overlay (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key    TEXT    NOT NULL,
    value  TEXT    NOT NULL,
    who    TEXT    NOT NULL,
    at     INTEGER NOT NULL,
    UNIQUE (key, value)
) STRICT;
