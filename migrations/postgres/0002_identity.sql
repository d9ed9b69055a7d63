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

-- Segments of request paths, each under one prefix and throw location, and what they were seen to hold.
CREATE TABLE path_segments (
    place        BYTEA  NOT NULL PRIMARY KEY CHECK (length(place) = 16),
    held         BYTEA  NOT NULL, -- hashes of the values, 8 bytes each; none once it is a parameter
    again        BIGINT NOT NULL, -- how often a value came again with another error
    is_parameter BIGINT NOT NULL,
    changed_at   BIGINT NOT NULL
);

CREATE INDEX path_segments_parameters ON path_segments (place) WHERE is_parameter = 1;
CREATE INDEX path_segments_by_age ON path_segments (changed_at) WHERE is_parameter = 0;
