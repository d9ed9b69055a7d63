-- Indexes stand in their tables, so that a migration which broke off can be begun again.
-- Without foreign keys: their checks would lock rows of issues for every row of theirs.
-- Whole numbers are BIGINT throughout, truth values too: the statements are the same for every kind of server.
-- Times are milliseconds since the Unix epoch. Identities of issues are 16 bytes, big end first.

CREATE TABLE IF NOT EXISTS projects (
    id         BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name       VARCHAR(255) NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

-- Only the SHA-256 of a key is kept.
CREATE TABLE IF NOT EXISTS project_keys (
    hash       BINARY(32) NOT NULL PRIMARY KEY,
    project    BIGINT NOT NULL,
    created_at BIGINT NOT NULL
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS settings (
    name  VARCHAR(64) NOT NULL PRIMARY KEY,
    value VARBINARY(1024) NOT NULL
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

-- What an issue is: written once, and when people decide something.
CREATE TABLE IF NOT EXISTS issues (
    id           BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    fingerprint  BINARY(16) NOT NULL UNIQUE,
    cause        BINARY(16) NOT NULL,
    rules        BIGINT NOT NULL, -- version of the sameness rules that made the fingerprint
    project      VARCHAR(255) NOT NULL,
    first_seen   BIGINT NOT NULL,
    attributes   MEDIUMTEXT NOT NULL, -- JSON, as received
    normalized   MEDIUMTEXT NOT NULL, -- JSON, as compared
    module       MEDIUMTEXT NOT NULL, -- as compared, for filters
    environment  MEDIUMTEXT NOT NULL,
    haystack     MEDIUMTEXT NOT NULL, -- location and detail as received, in small letters (A to Z), for searches
    decided_at   BIGINT,
    decided_by   MEDIUMTEXT NOT NULL,
    decided_note MEDIUMTEXT NOT NULL,
    KEY issues_decided (decided_at)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

-- Where an issue stands: small rows apart from the texts above, because each batch of occurrences rewrites one.
CREATE TABLE IF NOT EXISTS standings (
    issue                 BIGINT PRIMARY KEY,
    revision              BIGINT NOT NULL, -- grows by one with every decision: caches go by the newest
    occurrences           BIGINT NOT NULL,
    alerts                BIGINT NOT NULL,
    last_seen             BIGINT NOT NULL,
    state                 VARCHAR(16) NOT NULL CHECK (state IN ('open', 'acknowledged', 'muted', 'resolved')),
    muted_until           BIGINT,
    muted_more            BIGINT,
    window_opened_at      BIGINT,
    window_ends_at        BIGINT,
    window_budget         BIGINT,
    window_seen           BIGINT,
    window_granted        BIGINT,
    window_last_granted_at BIGINT,
    window_regression     BIGINT,
    window_closing        BIGINT, -- 1 while its end is still to be told, if it held something back
    sampled_day           BIGINT NOT NULL DEFAULT 0,
    sampled               BIGINT NOT NULL DEFAULT 0, -- events stored on that day
    KEY standings_to_close (window_closing, window_ends_at),
    CHECK (window_granted BETWEEN 0 AND window_budget)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

-- Windows that are over.
CREATE TABLE IF NOT EXISTS windows (
    issue      BIGINT NOT NULL,
    opened_at  BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL,
    budget     BIGINT NOT NULL,
    seen       BIGINT NOT NULL,
    granted    BIGINT NOT NULL,
    regression BIGINT NOT NULL,
    PRIMARY KEY (issue, opened_at),
    KEY windows_ended (ends_at),
    CHECK (granted BETWEEN 0 AND budget)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

-- Occurrences by span, what became of them, and who counted them. The span comes first in the key, so that the rows of
-- the current minute lie together and a busy minute touches few pages. No reference to the issue: its rows go by age.
CREATE TABLE IF NOT EXISTS tallies (
    span_ms BIGINT NOT NULL,          -- length of the span: a minute, or an hour once folded
    at      BIGINT NOT NULL,          -- its start
    issue   BIGINT NOT NULL,
    source  VARCHAR(40) NOT NULL,
    outcome VARCHAR(16) NOT NULL,          -- 'alerted', or the reason it was held back
    total   BIGINT NOT NULL CHECK (total > 0),
    PRIMARY KEY (span_ms, at, issue, source, outcome),
    KEY tallies_of_issue (issue, span_ms, at)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

-- A few events of each issue and day, scrubbed, as JSON.
CREATE TABLE IF NOT EXISTS events (
    id          BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    issue       BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    payload     MEDIUMTEXT NOT NULL,
    KEY events_of_issue (issue, id),
    KEY events_received (received_at) -- for the server's event scheduler
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

-- An alert exists when its row exists. Ordinal 0 is the closing of a window.
CREATE TABLE IF NOT EXISTS alerts (
    id                BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    issue             BIGINT NOT NULL,
    window_opened_at  BIGINT NOT NULL,
    window_ends_at    BIGINT NOT NULL,
    ordinal           BIGINT NOT NULL,
    budget            BIGINT NOT NULL,
    granted           BIGINT NOT NULL, -- alerts of the window so far: the ordinal, or for a closing how many there were
    granted_at        BIGINT NOT NULL,
    occurrences       BIGINT NOT NULL,
    occurrences_total BIGINT NOT NULL,
    last_seen         BIGINT NOT NULL,
    is_new            BIGINT NOT NULL,
    regression        MEDIUMTEXT,             -- JSON: who resolved it, when, in which words
    peak_per_minute   BIGINT,
    ongoing           BIGINT,
    event             BIGINT,
    UNIQUE (issue, window_opened_at, ordinal),
    CHECK (ordinal BETWEEN 0 AND budget)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

-- The outbox: one row for each alert and channel.
CREATE TABLE IF NOT EXISTS deliveries (
    id         BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    alert      BIGINT NOT NULL,
    issue      BIGINT NOT NULL,
    channel    VARCHAR(255) NOT NULL,
    state      VARCHAR(16) NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts   BIGINT NOT NULL DEFAULT 0,
    fence      BIGINT NOT NULL DEFAULT 0, -- grows with every claim
    due_at     BIGINT NOT NULL,           -- not to be claimed before; a claim moves it to the end of its lease
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    settled_at BIGINT,
    error      MEDIUMTEXT,
    KEY deliveries_due (channel, state, due_at, id),
    KEY deliveries_in_order (channel, issue, state, id),
    KEY deliveries_of_alert (alert),
    KEY deliveries_in_state (state, id)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

-- What one process at a time may do.
CREATE TABLE IF NOT EXISTS leases (
    name       VARCHAR(64) NOT NULL PRIMARY KEY,
    holder     VARCHAR(64) NOT NULL,
    expires_at BIGINT NOT NULL
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
