-- On both machines, before replication begins; not replicated itself. The other node's scripts use it: to replicate, to
-- ask, and to take away the right to write.
SET sql_log_bin = 0;
CREATE USER ha@'10.0.0.%' IDENTIFIED BY 'change-me';
GRANT REPLICATION SLAVE, CONNECTION ADMIN, READ_ONLY ADMIN ON *.* TO ha@'10.0.0.%';
SET sql_log_bin = 1;
