-- On the database server, before the schema of the package.
CREATE DATABASE zabbix CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE USER zabbix@'10.0.0.%' IDENTIFIED BY 'change-me';
GRANT ALL ON zabbix.* TO zabbix@'10.0.0.%';
