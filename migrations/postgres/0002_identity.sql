-- Names that issues went by before the rules of sameness changed.
CREATE TABLE former_fingerprints (
    fingerprint BYTEA  NOT NULL PRIMARY KEY CHECK (length(fingerprint) = 16),
    issue       BIGINT NOT NULL REFERENCES issues (id)
);

CREATE INDEX former_fingerprints_of_issue ON former_fingerprints (issue);

-- Issues whose occurrences are counted with another's. What one counted before stays with it.
CREATE TABLE merges (
    issue     BIGINT NOT NULL PRIMARY KEY REFERENCES issues (id),
    target    BIGINT NOT NULL REFERENCES issues (id),
    merged_at BIGINT NOT NULL,
    merged_by TEXT   NOT NULL, -- empty: the rules of sameness
    CHECK (issue <> target)
);

CREATE INDEX merges_into ON merges (target);
