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

-- Segments of request paths, each under one prefix and throw location, and what they were seen to hold.
CREATE TABLE path_segments (
    place        BLOB    NOT NULL PRIMARY KEY CHECK (length(place) = 16),
    held         BLOB    NOT NULL, -- hashes of the values, 8 bytes each; none once it is a parameter
    again        INTEGER NOT NULL, -- how often a value came again with another error
    is_parameter INTEGER NOT NULL,
    changed_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX path_segments_parameters ON path_segments (place) WHERE is_parameter = 1;
CREATE INDEX path_segments_by_age ON path_segments (changed_at) WHERE is_parameter = 0;
