-- Names that issues went by before the rules of sameness changed.
CREATE TABLE IF NOT EXISTS former_fingerprints (
    fingerprint BINARY(16) NOT NULL PRIMARY KEY,
    issue       BIGINT NOT NULL,
    KEY former_fingerprints_of_issue (issue)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

-- Issues whose occurrences are counted with another's. What one counted before stays with it.
CREATE TABLE IF NOT EXISTS merges (
    issue     BIGINT NOT NULL PRIMARY KEY,
    target    BIGINT NOT NULL,
    merged_at BIGINT NOT NULL,
    merged_by MEDIUMTEXT NOT NULL, -- empty: the rules of sameness
    KEY merges_into (target),
    CHECK (issue <> target)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

-- Segments of request paths, each under one prefix and throw location, and what they were seen to hold.
CREATE TABLE IF NOT EXISTS path_segments (
    place        BINARY(16) NOT NULL PRIMARY KEY,
    held         VARBINARY(1024) NOT NULL, -- hashes of the values, 8 bytes each; none once it is a parameter
    again        BIGINT NOT NULL, -- how often a value came again with another error
    is_parameter BIGINT NOT NULL,
    changed_at   BIGINT NOT NULL,
    KEY path_segments_parameters (is_parameter),
    KEY path_segments_by_age (changed_at)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
