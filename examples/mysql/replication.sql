-- On both machines, after users.sql. The address is the other machine's: 10.0.0.2 on the second.
CHANGE MASTER TO
    MASTER_HOST = '10.0.0.3',
    MASTER_USER = 'ha',
    MASTER_PASSWORD = 'change-me',
    MASTER_USE_GTID = slave_pos,
    MASTER_CONNECT_RETRY = 1,
    MASTER_HEARTBEAT_PERIOD = 1;
START SLAVE;
