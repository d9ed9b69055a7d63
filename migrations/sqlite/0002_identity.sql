-- Names that issues went by before the rules of sameness changed.
CREATE TABLE former_fingerprints (
    fingerprint BLOB    NOT NULL PRIMARY KEY CHECK (length(fingerprint) = 16),
    issue       INTEGER NOT NULL REFERENCES issues (id)
) STRICT, WITHOUT ROWID;

CREATE INDEX former_fingerprints_of_issue ON former_fingerprints (issue);

-- Issues whose occurrences are counted with another's. What one counted before stays with it.
CREATE TABLE merges (
    issue     INTEGER NOT NULL PRIMARY KEY REFERENCES issues (id),
    target    INTEGER NOT NULL REFERENCES issues (id),
    merged_at INTEGER NOT NULL,
    merged_by TEXT    NOT NULL, -- empty: the rules of sameness
    CHECK (issue <> target)
) STRICT;

CREATE INDEX merges_into ON merges (target);
