-- What the statements of shapes.sql read and write; a vacuum would turn a sequential scan into an index-only scan.
CREATE TABLE t (id int, k int, pad text) WITH (autovacuum_enabled = off);
INSERT INTO t SELECT g, g % 500, repeat('x', 60) FROM generate_series(1, 20000) g;
CREATE INDEX t_id ON t (id);
CREATE INDEX t_k ON t (k);
CREATE TABLE parent (id int PRIMARY KEY, n int DEFAULT 0) WITH (autovacuum_enabled = off);
INSERT INTO parent SELECT g FROM generate_series(1, 500) g;
CREATE TABLE child (id int, parent_id int REFERENCES parent ON DELETE CASCADE) WITH (autovacuum_enabled = off);
INSERT INTO child SELECT g, 1 + g % 500 FROM generate_series(1, 3000) g;
CREATE TABLE part (d int, v int) PARTITION BY RANGE (d);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (100) WITH (autovacuum_enabled = off);
CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (100) TO (200) WITH (autovacuum_enabled = off);
CREATE TABLE part_3 PARTITION OF part FOR VALUES FROM (200) TO (300) WITH (autovacuum_enabled = off);
INSERT INTO part SELECT g % 300, g FROM generate_series(1, 3000) g;
CREATE FUNCTION nap(s float8) RETURNS int LANGUAGE plpgsql VOLATILE PARALLEL SAFE
    AS 'BEGIN PERFORM pg_sleep(s * coalesce(current_setting(''nap.longer'', true), ''1'')::float8); RETURN 1; END';
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN PERFORM nap(0.3); RETURN NEW; END';
CREATE TABLE watched (id int);
CREATE TRIGGER after_watched AFTER INSERT ON watched FOR EACH STATEMENT EXECUTE FUNCTION audit();
CREATE TABLE guarded (id int);
CREATE TRIGGER before_guarded BEFORE INSERT ON guarded FOR EACH ROW EXECUTE FUNCTION audit();
ANALYZE;
