-- Who claims deliveries of a channel holds its row, so that what is folded is decided by one process at a time.
CREATE TABLE IF NOT EXISTS outboxes (
    channel VARCHAR(255) NOT NULL PRIMARY KEY
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

-- Causes that alerted on a channel a short while ago.
CREATE TABLE IF NOT EXISTS storms (
    channel   VARCHAR(255) NOT NULL,
    kind      VARCHAR(16) NOT NULL, -- 'alerts' or 'closings' of a cause, or 'digest'
    cause     BINARY(16) NOT NULL,
    opened_at BIGINT NOT NULL, -- when the first of it was told
    ends_at   BIGINT NOT NULL, -- unless more comes
    messages  BIGINT NOT NULL, -- that told of it so far
    next_at   BIGINT NOT NULL, -- folded, not to be told again before
    only_issue BIGINT, -- as long as there is only one
    PRIMARY KEY (channel, kind, cause),
    KEY storms_by_age (ends_at)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

-- The message on a channel that the later ones of a window answer to, and that is edited while the window lasts.
CREATE TABLE IF NOT EXISTS threads (
    channel          VARCHAR(255) NOT NULL,
    issue            BIGINT NOT NULL,
    window_opened_at BIGINT NOT NULL,
    handle           MEDIUMTEXT NOT NULL, -- what the far side calls that message
    delivery         BIGINT NOT NULL, -- that brought it
    revision         BIGINT NOT NULL, -- of the issue's standing, as the message shows it; -1: not known
    occurrences      BIGINT NOT NULL, -- of the issue, as the message shows them
    fence            BIGINT NOT NULL, -- grows with every claim and every decision
    edit_at          BIGINT NOT NULL, -- not to be edited before
    ends_at          BIGINT NOT NULL, -- to be edited once more then, and by itself not again
    PRIMARY KEY (channel, issue, window_opened_at),
    KEY threads_to_edit (channel, edit_at),
    KEY threads_of_issue (issue, window_opened_at),
    KEY threads_by_age (ends_at)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

-- Requests that must not come twice, by the hash of their signatures, as long as their time is good.
CREATE TABLE IF NOT EXISTS used_signatures (
    hash       VARBINARY(32) NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL,
    KEY used_signatures_by_age (expires_at)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

ALTER TABLE issues ADD KEY issues_of_cause (cause, id);

-- priority: which goes first when several are due: 0 what is new or came back, and bongsu's own; 1 the others; 2 ends of
-- windows. folded_into: the delivery whose message tells of this one too; what becomes of that one becomes of this one.
-- instead_of: the channel that failed, when this one was asked in its place. unanswered: attempts after which nobody knows
-- whether they arrived.
ALTER TABLE deliveries
    ADD COLUMN priority BIGINT NOT NULL DEFAULT 1,
    ADD COLUMN folded_into BIGINT,
    ADD COLUMN instead_of MEDIUMTEXT,
    ADD COLUMN unanswered BIGINT NOT NULL DEFAULT 0,
    DROP KEY deliveries_due,
    ADD KEY deliveries_due (channel, state, priority, due_at, id),
    ADD KEY deliveries_folded (folded_into),
    DROP KEY deliveries_of_alert,
    ADD UNIQUE KEY deliveries_of_alert (alert, channel);
