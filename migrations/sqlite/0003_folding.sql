-- Which goes first when several are due: 0 what is new or came back, and bongsu's own; 1 the others; 2 ends of windows.
ALTER TABLE deliveries ADD COLUMN priority INTEGER NOT NULL DEFAULT 1;
-- The delivery whose message tells of this one too. What becomes of that one becomes of this one.
ALTER TABLE deliveries ADD COLUMN folded_into INTEGER;
-- The channel that failed, since when and why, when this one was asked in its place: a JSON object.
ALTER TABLE deliveries ADD COLUMN instead_of TEXT;
-- Attempts after which nobody knows whether they arrived.
ALTER TABLE deliveries ADD COLUMN unanswered INTEGER NOT NULL DEFAULT 0;

DROP INDEX deliveries_due;
CREATE INDEX deliveries_due ON deliveries (channel, priority, due_at, id) WHERE state = 'pending' AND folded_into IS NULL;
CREATE INDEX deliveries_folded ON deliveries (folded_into) WHERE folded_into IS NOT NULL;
-- Of an alert a channel gets one delivery, whichever way it came to it.
DROP INDEX deliveries_of_alert;
CREATE UNIQUE INDEX deliveries_of_alert ON deliveries (alert, channel);
CREATE INDEX issues_of_cause ON issues (cause, id);

-- Who claims deliveries of a channel holds its row, so that what is folded is decided by one process at a time.
CREATE TABLE outboxes (
    channel TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Causes that alerted on a channel a short while ago.
CREATE TABLE storms (
    channel   TEXT    NOT NULL,
    kind      TEXT    NOT NULL, -- 'alerts' or 'closings' of a cause, or 'digest'
    cause     BLOB    NOT NULL CHECK (length(cause) = 16),
    opened_at INTEGER NOT NULL, -- when the first of it was told
    ends_at   INTEGER NOT NULL, -- unless more comes
    messages  INTEGER NOT NULL, -- that told of it so far
    next_at   INTEGER NOT NULL, -- folded, not to be told again before
    only_issue INTEGER, -- as long as there is only one
    PRIMARY KEY (channel, kind, cause)
) STRICT, WITHOUT ROWID;

CREATE INDEX storms_by_age ON storms (ends_at);

-- The message on a channel that the later ones of a window answer to, and that is edited while the window lasts.
CREATE TABLE threads (
    channel          TEXT    NOT NULL,
    issue            INTEGER NOT NULL, -- no reference: rows go by age
    window_opened_at INTEGER NOT NULL,
    handle           TEXT    NOT NULL, -- what the far side calls that message
    delivery         INTEGER NOT NULL, -- that brought it
    revision         INTEGER NOT NULL, -- of the issue's standing, as the message shows it; -1: not known
    occurrences      INTEGER NOT NULL, -- of the issue, as the message shows them
    fence            INTEGER NOT NULL, -- grows with every claim and every decision
    edit_at          INTEGER NOT NULL, -- not to be edited before
    ends_at          INTEGER NOT NULL, -- to be edited once more then, and by itself not again
    PRIMARY KEY (channel, issue, window_opened_at)
) STRICT, WITHOUT ROWID;

CREATE INDEX threads_to_edit ON threads (channel, edit_at);
CREATE INDEX threads_of_issue ON threads (issue, window_opened_at);
CREATE INDEX threads_by_age ON threads (ends_at);

-- Requests that must not come twice, by the hash of their signatures, as long as their time is good.
CREATE TABLE used_signatures (
    hash       BLOB    NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX used_signatures_by_age ON used_signatures (expires_at);
