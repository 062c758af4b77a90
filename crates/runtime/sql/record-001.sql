-- What happened: kept for some months.
CREATE TABLE event (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    event  TEXT    NOT NULL
) STRICT;
CREATE INDEX event_at ON event (at);
