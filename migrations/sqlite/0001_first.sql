-- Times are milliseconds since the Unix epoch. Identities of issues are 16 bytes, big end first. Checks say `a OR b` where
-- one would write `IN (a, b, c)`: SQLite makes a table of such a list each time a row is written.

CREATE TABLE projects (
    id         INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

-- Only the SHA-256 of a key is kept.
CREATE TABLE project_keys (
    hash       BLOB    NOT NULL PRIMARY KEY,
    project    INTEGER NOT NULL REFERENCES projects (id),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- What an issue is: written once, and when people decide something.
CREATE TABLE issues (
    id           INTEGER PRIMARY KEY,
    fingerprint  BLOB    NOT NULL UNIQUE CHECK (length(fingerprint) = 16),
    cause        BLOB    NOT NULL CHECK (length(cause) = 16),
    rules        INTEGER NOT NULL, -- version of the sameness rules that made the fingerprint
    project      TEXT    NOT NULL,
    first_seen   INTEGER NOT NULL,
    attributes   TEXT    NOT NULL, -- JSON, as received
    normalized   TEXT    NOT NULL, -- JSON, as compared
    module       TEXT    NOT NULL, -- as compared, for filters
    environment  TEXT    NOT NULL,
    haystack     TEXT    NOT NULL, -- location and detail as received, in small letters (A to Z), for searches
    decided_at   INTEGER,
    decided_by   TEXT    NOT NULL DEFAULT '',
    decided_note TEXT    NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX issues_decided ON issues (decided_at) WHERE decided_at IS NOT NULL;

-- Where an issue stands: small rows apart from the texts above, because each batch of occurrences rewrites one.
CREATE TABLE standings (
    issue                 INTEGER PRIMARY KEY REFERENCES issues (id),
    revision              INTEGER NOT NULL, -- grows by one with every decision: caches go by the newest
    occurrences           INTEGER NOT NULL,
    alerts                INTEGER NOT NULL,
    last_seen             INTEGER NOT NULL,
    state                 TEXT    NOT NULL CHECK (state = 'open' OR state = 'acknowledged' OR state = 'muted' OR state = 'resolved'),
    muted_until           INTEGER,
    muted_more            INTEGER,
    window_opened_at      INTEGER,
    window_ends_at        INTEGER,
    window_budget         INTEGER,
    window_seen           INTEGER,
    window_granted        INTEGER CHECK (window_granted BETWEEN 0 AND window_budget),
    window_last_granted_at INTEGER,
    window_regression     INTEGER,
    window_closing        INTEGER, -- 1 while its end is still to be told, if it held something back
    sampled_day           INTEGER NOT NULL DEFAULT 0,
    sampled               INTEGER NOT NULL DEFAULT 0  -- events stored on that day
) STRICT;

CREATE INDEX standings_to_close ON standings (window_ends_at) WHERE window_closing = 1;

-- Windows that are over.
CREATE TABLE windows (
    issue      INTEGER NOT NULL REFERENCES issues (id),
    opened_at  INTEGER NOT NULL,
    ends_at    INTEGER NOT NULL,
    budget     INTEGER NOT NULL,
    seen       INTEGER NOT NULL,
    granted    INTEGER NOT NULL CHECK (granted BETWEEN 0 AND budget),
    regression INTEGER NOT NULL,
    PRIMARY KEY (issue, opened_at)
) STRICT, WITHOUT ROWID;

CREATE INDEX windows_ended ON windows (ends_at);

-- Occurrences by span, what became of them, and who counted them. The span comes first in the key, so that the rows of
-- the current minute lie together and a busy minute touches few pages. No reference to the issue: its rows go by age.
CREATE TABLE tallies (
    span_ms INTEGER NOT NULL,          -- length of the span: a minute, or an hour once folded
    at      INTEGER NOT NULL,          -- its start
    issue   INTEGER NOT NULL,
    source  TEXT    NOT NULL,
    outcome TEXT    NOT NULL,          -- 'alerted', or the reason it was held back
    total   INTEGER NOT NULL CHECK (total > 0),
    PRIMARY KEY (span_ms, at, issue, source, outcome)
) STRICT, WITHOUT ROWID;

-- A few events of each issue and day, scrubbed, as JSON.
CREATE TABLE events (
    id          INTEGER PRIMARY KEY,
    issue       INTEGER NOT NULL REFERENCES issues (id),
    received_at INTEGER NOT NULL,
    payload     TEXT    NOT NULL
) STRICT;

CREATE INDEX events_of_issue ON events (issue, id);

-- An alert exists when its row exists. Ordinal 0 is the closing of a window.
CREATE TABLE alerts (
    id                INTEGER PRIMARY KEY,
    issue             INTEGER NOT NULL REFERENCES issues (id),
    window_opened_at  INTEGER NOT NULL,
    window_ends_at    INTEGER NOT NULL,
    ordinal           INTEGER NOT NULL,
    budget            INTEGER NOT NULL,
    granted           INTEGER NOT NULL, -- alerts of the window so far: the ordinal, or for a closing how many there were
    granted_at        INTEGER NOT NULL,
    occurrences       INTEGER NOT NULL,
    occurrences_total INTEGER NOT NULL,
    last_seen         INTEGER NOT NULL,
    is_new            INTEGER NOT NULL,
    regression        TEXT,             -- JSON: who resolved it, when, in which words
    peak_per_minute   INTEGER,
    ongoing           INTEGER,
    event             INTEGER,
    UNIQUE (issue, window_opened_at, ordinal),
    CHECK (ordinal BETWEEN 0 AND budget)
) STRICT;

-- The outbox: one row for each alert and channel.
CREATE TABLE deliveries (
    id         INTEGER PRIMARY KEY,
    alert      INTEGER NOT NULL REFERENCES alerts (id),
    issue      INTEGER NOT NULL,
    channel    TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state = 'pending' OR state = 'delivered' OR state = 'dead'),
    attempts   INTEGER NOT NULL DEFAULT 0,
    fence      INTEGER NOT NULL DEFAULT 0, -- grows with every claim
    due_at     INTEGER NOT NULL,           -- not to be claimed before; a claim moves it to the end of its lease
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    settled_at INTEGER,
    error      TEXT
) STRICT;

CREATE INDEX deliveries_due ON deliveries (channel, due_at, id) WHERE state = 'pending';
CREATE INDEX deliveries_in_order ON deliveries (channel, issue, id) WHERE state = 'pending';
CREATE INDEX deliveries_of_alert ON deliveries (alert);
CREATE INDEX deliveries_dead ON deliveries (id) WHERE state = 'dead';

-- What one process at a time may do.
CREATE TABLE leases (
    name       TEXT    NOT NULL PRIMARY KEY,
    holder     TEXT    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
