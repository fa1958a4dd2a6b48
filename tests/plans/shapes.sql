-- Statements whose plans differ in shape. `nap(s)` sleeps where it is put; `slowest` is what the label or the
-- role of the slowest node then begins with, `outside` what the time outside the plan was spent on.

-- shape: seq scan
-- set: enable_indexscan = off
-- set: enable_bitmapscan = off
-- slowest: Seq Scan
SELECT * FROM t WHERE k = 3 AND nap(0.3) > 0 LIMIT 1

-- shape: index scan
-- slowest: Index Scan
SELECT * FROM t WHERE id = 77 AND nap(0.3) > 0

-- shape: index only scan
SELECT id FROM t WHERE id < 50 ORDER BY id

-- shape: bitmap or
SELECT * FROM t WHERE id = 5 OR k = 7

-- shape: tid scan
SELECT * FROM t WHERE ctid = '(0,1)'

-- shape: sort spilled
-- set: work_mem = 64kB
SELECT * FROM t ORDER BY pad, id DESC

-- shape: incremental sort
SELECT * FROM t ORDER BY id, pad LIMIT 100

-- shape: hash join
SELECT count(*) FROM t JOIN parent p ON p.id = t.k

-- shape: hash join, spilled
-- set: work_mem = 64kB
-- set: enable_mergejoin = off
-- set: enable_nestloop = off
SELECT count(*) FROM t a JOIN t b ON a.id = b.id

-- shape: merge join
-- set: enable_hashjoin = off
-- set: enable_nestloop = off
SELECT count(*) FROM t a JOIN t b USING (id)

-- shape: nested loop with memoize
-- set: enable_hashjoin = off
-- set: enable_mergejoin = off
SELECT count(*) FROM t a JOIN parent p ON p.id = a.k

-- shape: nested loop with materialize
SELECT count(*) FROM parent a JOIN parent b ON a.id < b.id

-- shape: anti join
SELECT count(*) FROM t WHERE NOT EXISTS (SELECT FROM parent p WHERE p.id = t.k)

-- shape: full join
SELECT count(*) FROM t FULL JOIN parent p ON p.id = t.k

-- shape: lateral
SELECT count(*) FROM parent p, LATERAL (SELECT * FROM t WHERE t.k = p.id ORDER BY id LIMIT 2) x

-- shape: grouping sets
SELECT k, id % 3, count(*) FROM t GROUP BY GROUPING SETS ((k), (id % 3), ())

-- shape: window
SELECT id, row_number() OVER (PARTITION BY k ORDER BY id) FROM t

-- shape: distinct on
SELECT DISTINCT ON (k) k, id FROM t ORDER BY k, id

-- shape: set operations
SELECT id FROM t EXCEPT SELECT id FROM child INTERSECT SELECT id FROM parent

-- shape: union all
-- slowest: Result
SELECT id FROM t UNION ALL SELECT nap(0.3)

-- shape: values
-- slowest: Values Scan
SELECT * FROM (VALUES (1, 2), (3, 4)) v (a, b) WHERE a > nap(0.1)

-- shape: project set
SELECT generate_series(1, 100), k FROM parent p JOIN t ON t.id = p.id

-- shape: function scan
SELECT count(*) FROM generate_series(1, 10000) g WHERE g % 7 = 0

-- shape: row lock
SELECT * FROM parent WHERE id < 20 FOR UPDATE

-- shape: partitions pruned at run time
-- slowest: InitPlan 1
SELECT count(*) FROM part WHERE d >= (SELECT 200 * nap(0.3))

-- shape: partitionwise
-- set: enable_partitionwise_aggregate = on
SELECT d, count(*) FROM part GROUP BY d

-- shape: merge append
SELECT * FROM part ORDER BY d LIMIT 10

-- shape: never executed
SELECT * FROM t WHERE (SELECT id FROM parent WHERE id < 0) IS NOT NULL

-- shape: never executed inner
-- set: enable_hashjoin = off
-- set: enable_mergejoin = off
SELECT * FROM parent p JOIN t ON t.id = p.id WHERE p.id < 0

-- shape: cte
-- slowest: Index Scan
WITH c AS MATERIALIZED (SELECT k, count(*) n FROM t WHERE nap(0.3 * (id = 9)::int) > 0 AND id < 20 GROUP BY
    k) SELECT * FROM c WHERE n > 0 ORDER BY n LIMIT 5

-- shape: cte read twice
WITH c AS MATERIALIZED (SELECT k, count(*) n FROM t GROUP BY k) SELECT count(*) FROM c a JOIN c b USING (k)

-- shape: cte read by the second scan first
-- slowest: CTE c
WITH c AS MATERIALIZED (SELECT id, nap(0.3 * (id = 9)::int) FROM parent) SELECT count(*) FROM c a JOIN c b
    USING (id)

-- shape: cte read a little
WITH c AS MATERIALIZED (SELECT * FROM t) SELECT * FROM c LIMIT 3

-- shape: cte read from a subplan
-- slowest: CTE c
WITH c AS MATERIALIZED (SELECT id, nap(0.3 * (id = 9)::int) FROM parent) SELECT count(*) FROM parent p WHERE
    EXISTS (SELECT FROM c WHERE c.id = p.id + 400)

-- shape: cte in a cte
-- slowest: CTE b
WITH a AS MATERIALIZED (SELECT * FROM t WHERE id < 5000), b AS MATERIALIZED (SELECT a.*, nap(0.3 * (id =
    9)::int) FROM a) SELECT count(*) FROM b

-- shape: two ctes of one name
-- slowest: CTE c
WITH c AS MATERIALIZED (SELECT id k FROM t WHERE id < 500) SELECT count(*) FROM c JOIN (WITH c AS
    MATERIALIZED (SELECT id k, nap(0.3 * (id = 9)::int) FROM t WHERE id < 3000) SELECT k, count(*) FROM c
    GROUP BY k) x USING (k)

-- shape: a cte of the name that it reads
-- slowest: CTE c
WITH c AS MATERIALIZED (SELECT id FROM parent) SELECT count(*) FROM (WITH c AS MATERIALIZED (SELECT id,
    nap(0.3 * (id = 9)::int) FROM c) SELECT * FROM c LIMIT 400) x

-- shape: recursive cte
WITH RECURSIVE r AS (SELECT 1 n UNION ALL SELECT n + 1 FROM r WHERE n < 5000) SELECT count(*) FROM r

-- shape: recursive cte with a join
WITH RECURSIVE r AS (SELECT id FROM t WHERE id = 1 UNION SELECT t.id FROM r JOIN t ON t.id = r.id + 1 WHERE
    t.id < 2000) SELECT count(*) FROM r

-- shape: recursive cte that waits
-- slowest: WorkTable Scan
WITH RECURSIVE r AS (SELECT 1 n UNION ALL SELECT n + nap(0.03) FROM r WHERE n < 10) SELECT count(*) FROM r

-- shape: modifying cte
WITH d AS (DELETE FROM child WHERE id < 500 RETURNING *), u AS (INSERT INTO parent SELECT 1000 +
    row_number() OVER () FROM d RETURNING id) SELECT count(*) FROM u

-- shape: modifying cte that nothing reads
-- outside: after the main plan
WITH d AS (DELETE FROM child WHERE nap(0.0001) > 0 RETURNING 1) SELECT 1

-- shape: modifying cte read a little
WITH d AS (DELETE FROM child WHERE id < 2500 RETURNING *) SELECT * FROM d LIMIT 1

-- shape: modifying ctes that nothing reads, one from the other
WITH d AS (DELETE FROM child WHERE id < 900 RETURNING *), i AS (INSERT INTO part SELECT id % 300, 1 FROM d)
    UPDATE parent SET n = 1 WHERE id < 5

-- shape: modifying cte in an insert
WITH moved AS (DELETE FROM child WHERE id < 300 RETURNING *) INSERT INTO part SELECT id % 300, 2 FROM moved

-- shape: init plan in a filter
-- set: enable_indexscan = off
-- set: enable_indexonlyscan = off
-- set: enable_bitmapscan = off
-- slowest: InitPlan 1
SELECT count(*) FROM t WHERE k > (SELECT 100 * nap(0.3))

-- shape: init plan in an index condition
-- slowest: InitPlan 1
SELECT count(*) FROM t JOIN parent p ON p.id = t.k WHERE t.id < (SELECT 100 * nap(0.3))

-- shape: init plan in the target list
-- slowest: InitPlan 1
SELECT (SELECT nap(0.3)), count(*) FROM t

-- shape: init plan in a limit
-- slowest: InitPlan 1
SELECT * FROM t ORDER BY id LIMIT (SELECT 10 * nap(0.3))

-- shape: two init plans
-- slowest: InitPlan
SELECT count(*) FROM t WHERE k > (SELECT nap(0.1)) AND id < (SELECT max(id) + nap(0.3) FROM child)

-- shape: init plan that reads a cte
-- slowest: CTE c
WITH c AS MATERIALIZED (SELECT id, nap(0.3 * (id = 9)::int) FROM parent) SELECT count(*) FROM t WHERE k <
    (SELECT max(id) FROM c)

-- shape: init plan of a case
-- slowest: InitPlan 1
SELECT CASE WHEN k > 490 THEN (SELECT nap(0.3)) END FROM t ORDER BY id LIMIT 800

-- shape: correlated subplan
SELECT (SELECT count(*) FROM t WHERE t.id < p.id) FROM parent p

-- shape: correlated subplan that waits
-- slowest: SubPlan 1 | Index Scan
SELECT (SELECT nap(0.3) + p.id) FROM parent p WHERE id < 2

-- shape: hashed subplan
-- slowest: SubPlan 1
SELECT count(*) FROM t WHERE k NOT IN (SELECT id FROM parent WHERE nap(0.3 * (id = 9)::int) > 0)

-- shape: subplan in a subplan
SELECT (SELECT count(*) FROM child c WHERE c.parent_id = p.id AND c.id > (SELECT min(t.id) FROM t WHERE t.k
    = p.id)) FROM parent p WHERE p.id < 50

-- shape: subplan in an update
UPDATE parent SET n = (SELECT count(*) FROM child WHERE parent_id = parent.id) WHERE id < 50

-- shape: insert
INSERT INTO parent SELECT g FROM generate_series(2000, 2500) g

-- shape: insert on conflict
INSERT INTO parent SELECT g, 1 FROM generate_series(1, 300) g ON CONFLICT (id) DO UPDATE SET n = excluded.n
    + (SELECT 1)

-- shape: merge
MERGE INTO parent p USING (SELECT g i FROM generate_series(400, 700) g) s ON p.id = s.i WHEN MATCHED THEN
    UPDATE SET n = 2 WHEN NOT MATCHED THEN INSERT VALUES (s.i)

-- shape: update of partitions
UPDATE part SET d = d + 100 WHERE d < 20

-- shape: foreign key, cascaded
DELETE FROM parent WHERE id < 60

-- shape: after trigger
-- outside: trigger after_watched on watched
INSERT INTO watched VALUES (1)

-- shape: before trigger
-- slowest: Insert
INSERT INTO guarded VALUES (1)

-- shape: jit
-- set: jit = on
-- set: jit_above_cost = 0
SELECT sum(k), count(DISTINCT pad) FROM t

-- shape: gather
-- parallel: yes
SELECT count(*) FROM t WHERE id % 3 = 0

-- shape: gather merge
-- parallel: yes
SELECT * FROM t ORDER BY pad, id LIMIT 10

-- shape: parallel hash join
-- parallel: yes
-- set: enable_mergejoin = off
-- set: enable_nestloop = off
SELECT count(*) FROM t a JOIN t b USING (id)

-- shape: parallel append
-- parallel: yes
SELECT count(*) FROM (SELECT id FROM t UNION ALL SELECT id FROM child UNION ALL SELECT id FROM parent) x

-- shape: parallel index scan
-- parallel: yes
-- set: enable_seqscan = off
SELECT count(*) FROM t WHERE id BETWEEN 10 AND 9000

-- shape: init plan of a gather
-- parallel: yes
-- slowest: InitPlan 1
SELECT count(*) FROM t WHERE k > (SELECT nap(0.3))

-- shape: cte of a gather
-- parallel: yes
WITH c AS MATERIALIZED (SELECT k, count(*) n FROM t GROUP BY k) SELECT * FROM c WHERE n > 0 ORDER BY n LIMIT
    5

-- shape: subplan by the leader only
-- parallel: yes
SELECT t.id, (SELECT count(*) FROM parent p WHERE p.id < t.k) FROM t WHERE t.id % 97 = 0

-- shape: hashed subplan by each process
-- parallel: yes
SELECT count(*) FROM t WHERE k NOT IN (SELECT id FROM parent)

-- shape: without the leader
-- parallel: yes
-- set: parallel_leader_participation = off
SELECT count(*) FROM t WHERE id % 3 = 0

-- shape: without workers
-- parallel: yes
-- set: max_parallel_workers = 0
SELECT count(*) FROM t WHERE id % 3 = 0

-- shape: gather in a nested loop
-- parallel: yes
SELECT count(*) FROM (VALUES (1), (2)) v (a), LATERAL (SELECT count(*) n FROM t WHERE t.k > v.a OFFSET 0) x

-- shape: one process of a gather does all
-- parallel: yes
-- slowest: Seq Scan on t
SELECT count(*) FROM t WHERE id + 0 = 77 AND nap(0.4) > 0

-- shape: one worker of a gather does all
-- parallel: yes
-- set: parallel_leader_participation = off
-- slowest: Seq Scan on t
SELECT count(*) FROM t WHERE id + 0 = 77 AND nap(0.4) > 0

-- shape: one process of a gather merge does all
-- parallel: yes
-- slowest: Seq Scan on t
SELECT id FROM t WHERE id + 0 IN (77, 78) AND nap(0.2) > 0 ORDER BY pad, id

-- shape: one process of a parallel append has the slow table
-- parallel: yes
-- slowest: Seq Scan on t | Seq Scan on child
SELECT id FROM child WHERE id < 10 UNION ALL SELECT id FROM t WHERE id + 0 = 77 AND nap(0.4) > 0
